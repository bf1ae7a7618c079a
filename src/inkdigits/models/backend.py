"""The engine below Keras, set up for this work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inkdigits.errors import MissingExtra, UsageError

BACKENDS = ("jax", "tensorflow")
KERAS_EXTRAS = ("sklearn", "pandas", "matplotlib")

INSTALL_HINT = 'Install them with: pip install "inkdigits[train]"'


def set_up_keras() -> str:
    """Set up Keras's backend and return its name.

    JAX unless the environment variable KERAS_BACKEND says otherwise. Raises MissingExtra when the
    packages are not installed, UsageError for another engine.
    """
    backend = os.environ["KERAS_BACKEND"]
    if backend not in BACKENDS:
        raise UsageError(f"KERAS_BACKEND must be {' or '.join(BACKENDS)}, got {backend!r}.")
    try:
        if backend == "jax":
            set_up_jax()
        import keras
    except ImportError as error:
        raise MissingExtra(
            f"this needs packages that are missing ({error}).", INSTALL_HINT
        ) from error
    return str(keras.backend.backend())


@contextmanager
def without_extras() -> Iterator[None]:
    """Let Keras be imported without what it imports only because it is there.

    scikit-learn, pandas and Matplotlib make up almost half of its import time, and serve only its
    wrappers for them. For processes of our own, where nobody uses those; afterwards the packages
    can be imported as usual.
    """
    hidden = [name for name in KERAS_EXTRAS if name not in sys.modules]
    for name in hidden:
        # None makes `import` fail as if the package were not installed.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def set_up_jax() -> None:
    """Set JAX's compilation cache and random generator.

    The cache makes the one to two seconds of compiling a cost a machine pays once. Philox draws
    dropout's bits in a third of Threefry's time on a CPU (`benchmarks/`), with a key of the same
    two words, so that Keras's own seed generators feed it. On a GPU, too, float32 is multiplied
    as float32: its short cut would differ from the artefact by more than parity allows.
    """
    import jax

    jax.config.update("jax_default_prng_impl", "philox4x32")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def cache_folder() -> Path:
    """Return the folder of compiled programs, beside the fetched data."""
    import pooch

    return Path(pooch.os_cache("inkdigits")) / "compiled"
