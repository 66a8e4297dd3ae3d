"""What jax compiles in a block."""

import contextlib

import jax


@contextlib.contextmanager
def compilations():
    """The names of programs that are compiled meanwhile."""
    names = []

    def listen(event: str, duration: float, **details):
        if event.endswith("backend_compile_duration"):
            names.append(details.get("fun_name", "a program"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
