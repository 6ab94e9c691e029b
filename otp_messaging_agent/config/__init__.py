"""The configuration: file < environment, parsed once, every fault reported together."""

from .loading import DEFAULT, OURS, LoadSettings, check_providers, load
from .model import Config
from .sending import ChannelConfig

__all__ = ["DEFAULT", "OURS", "ChannelConfig", "Config", "LoadSettings", "check_providers", "load"]
