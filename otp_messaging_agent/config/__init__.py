"""The configuration: file < environment, parsed once, every fault reported together."""

from .loading import DEFAULT, LoadSettings, check_providers, load
from .model import ChannelConfig, Config

__all__ = ["DEFAULT", "ChannelConfig", "Config", "LoadSettings", "check_providers", "load"]
