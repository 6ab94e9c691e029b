"""Tries other routing settings on the stored history: reads the store, changes nothing.

`flow.replay` decides; here the store is read for it, and its figures are written down.
"""

from .history import Asked, run
from .told import as_json, as_text

__all__ = ["Asked", "as_json", "as_text", "run"]
