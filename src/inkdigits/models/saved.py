"""Keras models on disk: saved whole or not at all, loaded only when they can run no code.

`.keras` and `.h5` files have a history of code execution on load (CVE-2024-3660, 2025-1550,
2025-8747, 2025-9905, 2025-9906). So the configuration is read first, as plain JSON, and only
layers on a short list are ever built.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any

import h5py
import keras
from absl import logging as absl_logging

from inkdigits.errors import ModelRefused, one_line
from inkdigits.files import atomic_path
from inkdigits.models.budget import count_numbers

KERAS_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
ALLOWED_MODELS = {"Sequential", "Functional"}
# What an ensemble weighs its first look with.
LOOKING_LAYERS = {"Softmax", "GlobalMaxPooling1D", "Subtract", "Multiply"}
ALLOWED_LAYERS = {
    "InputLayer",
    "Rescaling",
    "Flatten",
    "Reshape",
    "Conv2D",
    "BatchNormalization",
    "ReLU",
    "ZeroPadding2D",
    "Cropping2D",
    "GlobalAveragePooling2D",
    "Dense",
    "Dropout",
    "Activation",
    "Concatenate",
    "Add",
    *LOOKING_LAYERS,
}
# What else the configuration of such layers names; nothing outside these is ever built.
ALLOWED_PARTS = {"DTypePolicy", "GlorotUniform", "HeNormal", "Zeros", "Ones", "__keras_tensor__"}
ALLOWED_ACTIVATIONS = {None, "linear", "relu", "softmax"}
# What makes a layer large, with the most that is built.
SIZES = {
    "units": 65_536,
    "filters": 4_096,
    "kernel_size": 28,
    "strides": 28,
    "dilation_rate": 28,
    "target_shape": 65_536,
}
# Far above any model of ours, far below what would hurt a small machine.
MAX_UNPACKED_BYTES = 1 << 30
MAX_H5_ENTRIES = 10_000
# Weights, and the output of the largest layer for one image: a gigabyte of them.
MAX_NUMBERS = 1 << 28
ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
KINDS = {ZIP_MAGIC: "keras", HDF5_MAGIC[:4]: "h5"}
LONGEST_REASON = 200
EXPORT_HINT = "Save it again with inkdigits or Keras."


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

    The bytes are read once, checked, and loaded from a private copy with the suffix that they
    deserve: Keras chooses its loader by suffix, so a file that is both a zip and HDF5 could
    otherwise show one face to the check and another to Keras. Raises ModelRefused for a missing or
    broken file, for a pickle, for Lambda and other layers outside the list, for links or external
    storage in HDF5, and for files that unpack to too much.
    """
    content = read_model(path)
    kind = sniff(content, path)
    with TemporaryDirectory(prefix="inkdigits-") as folder:
        private = Path(folder) / f"model.{kind}"
        private.write_bytes(content)
        try:
            check = check_keras_file if kind == "keras" else check_h5_file
            check(private, path)
            return keras.saving.load_model(private, compile=False, safe_mode=True)
        except ModelRefused:
            raise
        except Exception as error:  # a hostile file may raise anything inside Keras or HDF5
            reason = one_line(str(error))[:LONGEST_REASON].rstrip(".")
            raise ModelRefused(f"{str(path)!r} cannot be loaded: {reason}.", EXPORT_HINT) from error


def read_model(path: Path) -> bytes:
    """Return the bytes of a model file; raises ModelRefused when it is missing or too large."""
    try:
        if path.stat().st_size > MAX_UNPACKED_BYTES:
            raise ModelRefused(f"{str(path)!r} is larger than {MAX_UNPACKED_BYTES:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise ModelRefused(
            f"cannot read the model {str(path)!r}: {error.strerror}.", "Check the path."
        ) from error


def sniff(content: bytes, path: Path) -> str:
    """Return `keras` or `h5` by the first bytes; raises ModelRefused for anything else or both."""
    kind = KINDS.get(content[:4])
    if kind is None:
        what = "a pickle, which can run code" if content[:1] == b"\x80" else "no .keras or .h5 file"
        raise ModelRefused(
            f"{str(path)!r} is {what}.", "Models are read as .keras, .h5 or .onnx only."
        )
    if kind == "h5" and zipfile.is_zipfile(io.BytesIO(content)):
        raise ModelRefused(f"{str(path)!r} is HDF5 and a zip file at once.", EXPORT_HINT)
    return kind


def check_keras_file(private: Path, path: Path) -> None:
    """Raise ModelRefused unless the zip holds just a safe configuration and weights."""
    with zipfile.ZipFile(private) as archive:
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


def check_h5_file(private: Path, path: Path) -> None:
    """Raise ModelRefused unless the HDF5 file holds just a safe configuration and weights."""
    with h5py.File(private, "r") as opened:
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


def walk(root: h5py.Group) -> Iterator[tuple[h5py.Group, str]]:
    """Yield every (group, name) below `root`, following no link and no group twice.

    Hard links let a small file describe a graph with exponentially many paths.
    """
    pending, seen, entries = [root], set(), 0
    while pending:
        group = pending.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            entries += 1
            if entries > MAX_H5_ENTRIES:
                raise ModelRefused(f"the HDF5 file has more than {MAX_H5_ENTRIES:,} entries.")
            yield group, name
            is_own = isinstance(group.get(name, getlink=True), h5py.HardLink)
            if is_own and isinstance(group[name], h5py.Group):
                pending.append(group[name])


def check_config(config: Any, path: Path) -> None:
    """Raise ModelRefused unless every object of the configuration is on a list."""
    if config.get("class_name") not in ALLOWED_MODELS:
        raise ModelRefused(f"{str(path)!r} is a {config.get('class_name')!r}, not a plain model.")
    for layer in config["config"]["layers"]:
        check_layer(layer, path)
    allowed = ALLOWED_MODELS | ALLOWED_LAYERS | ALLOWED_PARTS
    # The compile settings are left out: models are loaded without them.
    built = {key: value for key, value in config.items() if key != "compile_config"}
    for name, module in named_objects(built):
        own = module is None or module == "keras" or str(module).startswith("keras.")
        if not own or name not in allowed:
            raise ModelRefused(f"{str(path)!r} asks for {module}.{name}, which is not allowed.")
    if count_numbers(config["config"]) > MAX_NUMBERS:
        raise ModelRefused(f"{str(path)!r} would build more than {MAX_NUMBERS:,} numbers.")


def check_layer(layer: Any, path: Path) -> None:
    """Raise ModelRefused unless the layer is a plain one of a reasonable size."""
    name, settings = layer.get("class_name"), layer.get("config", {})
    if name not in ALLOWED_LAYERS:
        raise ModelRefused(
            f"{str(path)!r} has a {name!r} layer, which is not on the list of safe ones.",
            f"Allowed: {', '.join(sorted(ALLOWED_LAYERS))}.",
        )
    activation = settings.get("activation")
    if not isinstance(activation, (str, NoneType)) or activation not in ALLOWED_ACTIVATIONS:
        raise ModelRefused(f"{str(path)!r} has an activation {str(activation)[:60]!r}.")
    for key, most in SIZES.items():
        found = settings.get(key, 1)
        for size in found if isinstance(found, list) else [found]:
            free = key == "target_shape" and size == -1
            if not free and (type(size) is not int or not 1 <= size <= most):
                raise ModelRefused(f"{str(path)!r} has a layer with {key} {size!r}, not 1–{most}.")


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
