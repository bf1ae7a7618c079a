"""Keras models on disk: saved whole or not at all, loaded only when they can run no code.

`.keras` and `.h5` files have a history of code execution on load (CVE-2024-3660, 2025-1550,
2025-8747, 2025-9905, 2025-9906). So the configuration is read first, as plain JSON, and only
layers on a short list are ever built.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
from absl import logging as absl_logging

from inkdigits.errors import ModelRefused
from inkdigits.files import atomic_path

KERAS_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
ALLOWED_MODELS = {"Sequential", "Functional"}
ALLOWED_LAYERS = {"InputLayer", "Rescaling", "Flatten", "Dense", "Dropout", "Activation"}
# Far above any model of ours, far below what would hurt a small machine.
MAX_UNPACKED_BYTES = 1 << 30
ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def save_model(model: keras.Model, path: Path) -> None:
    """Save `model` atomically; the suffix of `path`, `.keras` or `.h5`, chooses the format."""
    with quiet_absl(), kept_compile_settings(model), atomic_path(path) as temporary:
        model.save(temporary)


@contextmanager
def quiet_absl() -> Iterator[None]:
    """Silence Keras's warning at every .h5 that the format is legacy: it is asked for here."""
    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(verbosity)


@contextmanager
def kept_compile_settings(model: keras.Model) -> Iterator[None]:
    """Undo what Keras 3.15 does when it writes .h5: it drops the optimizer from the model's own
    settings, so that a .keras saved afterwards would load without one.
    """
    settings = getattr(getattr(model, "_compile_config", None), "config", {})
    before = dict(settings)
    try:
        yield
    finally:
        settings.update(before)


def load_model(path: Path) -> keras.Model:
    """Load a `.keras` or `.h5` model, without its optimizer.

    Raises ModelRefused for a missing or broken file, for a pickle, for Lambda and other layers
    outside the list, for links or external storage in HDF5, and for files that unpack to too much.
    """
    kind = sniff(path)
    try:
        check = check_keras_file if kind == "keras" else check_h5_file
        check(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except ModelRefused:
        raise
    except Exception as error:  # a hostile file may raise anything inside Keras or HDF5
        raise ModelRefused(f"{str(path)!r} cannot be loaded: {error}.") from error


def sniff(path: Path) -> str:
    """Return `keras` or `h5` by the file's first bytes; raises ModelRefused for anything else."""
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise ModelRefused(
            f"cannot read the model {str(path)!r}: {error.strerror}.", "Check the path."
        ) from error
    if magic.startswith(ZIP_MAGIC):
        return "keras"
    if magic == HDF5_MAGIC:
        return "h5"
    what = "a pickle, which can run code" if magic[:1] == b"\x80" else "no .keras or .h5 file"
    raise ModelRefused(f"{str(path)!r} is {what}.", "Models are read as .keras, .h5 or .onnx only.")


def check_keras_file(path: Path) -> None:
    """Raise ModelRefused unless the zip holds just a safe configuration and weights."""
    with zipfile.ZipFile(path) as archive:
        names = {info.filename for info in archive.infolist()}
        if not {"config.json", "model.weights.h5"} <= names <= KERAS_MEMBERS:
            raise ModelRefused(
                f"{str(path)!r} is a zip file but no plain .keras model: "
                f"it holds {', '.join(sorted(names)[:5])}."
            )
        if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise ModelRefused(f"{str(path)!r} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes.")
        check_config(json.loads(archive.read("config.json")), path)
        with archive.open("model.weights.h5") as weights, h5py.File(weights, "r") as opened:
            check_h5_contents(opened, path)


def check_h5_file(path: Path) -> None:
    """Raise ModelRefused unless the HDF5 file holds just a safe configuration and weights."""
    with path.open("rb") as file, h5py.File(file, "r") as opened:
        check_h5_contents(opened, path)
        config = opened.attrs.get("model_config")
        if config is None:
            raise ModelRefused(f"{str(path)!r} holds weights but no model.")
        check_config(json.loads(config), path)


def check_h5_contents(opened: h5py.File, path: Path) -> None:
    """Raise ModelRefused for links that leave the file, external storage, or too much data."""
    total = 0
    for group, name in walk(opened):
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelRefused(f"{str(path)!r} holds a link to elsewhere, {name!r}.")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ModelRefused(f"{str(path)!r} keeps {name!r} in another file.")
            total += int(item.size or 0) * item.dtype.itemsize
    if total > MAX_UNPACKED_BYTES:
        raise ModelRefused(f"{str(path)!r} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes.")


def walk(group: h5py.Group, depth: int = 0) -> Iterator[tuple[h5py.Group, str]]:
    """Yield every (group, name) below `group` without following a link."""
    if depth > 16:
        raise ModelRefused("the HDF5 file is nested more than 16 groups deep.")
    for name in group:
        yield group, name
        is_own = isinstance(group.get(name, getlink=True), h5py.HardLink)
        if is_own and isinstance(group[name], h5py.Group):
            yield from walk(group[name], depth + 1)


def check_config(config: Any, path: Path) -> None:
    """Raise ModelRefused unless every object of the configuration is on the list."""
    if config.get("class_name") not in ALLOWED_MODELS:
        raise ModelRefused(f"{str(path)!r} is a {config.get('class_name')!r}, not a plain model.")
    for layer in config["config"]["layers"]:
        name = layer.get("class_name")
        if name not in ALLOWED_LAYERS:
            raise ModelRefused(
                f"{str(path)!r} has a {name!r} layer, which is not on the list of safe ones.",
                f"Allowed: {', '.join(sorted(ALLOWED_LAYERS))}.",
            )
    for name, module in named_objects(config):
        if module is not None and module != "keras" and not str(module).startswith("keras."):
            raise ModelRefused(f"{str(path)!r} asks for {module}.{name}, which is not Keras's own.")


def named_objects(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (class_name, module) of every object that a configuration would build."""
    if isinstance(value, dict):
        if "class_name" in value:
            if value.get("registered_name") not in (None, value["class_name"]):
                yield value["class_name"], value["registered_name"]
            yield value["class_name"], value.get("module")
        for inner in value.values():
            yield from named_objects(inner)
    if isinstance(value, list):
        for inner in value:
            yield from named_objects(inner)
