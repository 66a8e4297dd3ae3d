"""Music style transfer and genre classification in JAX; the calls on arrays are in `api`."""

from typing import TYPE_CHECKING, Any

from research import signals

if TYPE_CHECKING:
    from research.api import genres, style_transfer

__all__ = ["genres", "style_transfer"]

# Before anything else is imported, which takes a second in which Ctrl-C is as likely as later.
if signals.is_program():
    signals.prepare()


def __getattr__(name: str) -> Any:
    # When they are first used: the scripts start without jax.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from research import api

    return getattr(api, name)
