"""How a config file gives the presets that it names."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from research.settings import to_config_dict


def choose(presets: Mapping[str, Any], preset: str) -> ConfigDict:
    """The config of a preset, a frozen dataclass, as flags take it.

    Raises:
      ValueError: there is none of this name.
    """
    if preset not in presets:
        raise ValueError(f"unknown preset {preset!r}; known presets: {', '.join(presets)}")
    return to_config_dict(presets[preset])
