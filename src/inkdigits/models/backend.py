"""The engine below Keras, set up for this work."""

from __future__ import annotations

import os
from pathlib import Path

from inkdigits.errors import MissingExtra

INSTALL_HINT = 'Install them with: pip install "inkdigits[train]"'


def set_up_keras() -> str:
    """Set up Keras's backend and return its name.

    JAX unless the environment variable KERAS_BACKEND says otherwise. Raises MissingExtra when the
    packages are not installed.
    """
    try:
        if os.environ["KERAS_BACKEND"] == "jax":
            set_up_jax()
        import keras
    except ImportError as error:
        raise MissingExtra(
            f"this needs packages that are missing ({error}).", INSTALL_HINT
        ) from error
    return str(keras.backend.backend())


def set_up_jax() -> None:
    """Set JAX's compilation cache and random generator.

    The cache makes the one to two seconds of compiling a cost a machine pays once. Philox draws
    dropout's bits in a third of Threefry's time on a CPU (`benchmarks/`), with a key of the same
    two words, so that Keras's own seed generators feed it.
    """
    import jax

    jax.config.update("jax_default_prng_impl", "philox4x32")
    jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def cache_folder() -> Path:
    """Return the folder of compiled programs, beside the fetched data."""
    import pooch

    return Path(pooch.os_cache("inkdigits")) / "compiled"
