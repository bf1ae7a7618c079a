import json
import pickle
import zipfile
from itertools import pairwise
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from inkdigits.errors import ExitCode, ModelRefused
from inkdigits.models import saved
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.predict import make_predictor
from inkdigits.models.saved import load_model, save_model
from inkdigits.training.loop import compile_model
from inkdigits.training.recipe import TrainingRecipe

set_up_keras()
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    model = build_ann((16, 8), 0.3, 1)
    compile_model(model, TrainingRecipe(), 900)
    return model


@pytest.fixture
def path(tmp_path: Path, model: keras.Model, request: pytest.FixtureRequest) -> Path:
    target = tmp_path / f"model.{getattr(request, 'param', 'keras')}"
    save_model(model, target)
    return target


@pytest.mark.parametrize("path", ["keras", "h5"], indirect=True)
def test_loaded_model_gives_the_same_bits(path: Path, model: keras.Model) -> None:
    np.testing.assert_array_equal(
        make_predictor(load_model(path))(IMAGES), make_predictor(model)(IMAGES)
    )
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("path", ["keras", "h5"], indirect=True)
def test_keras_itself_loads_it_compiled(path: Path) -> None:
    loaded = keras.saving.load_model(path)
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)


def test_saving_h5_does_not_spoil_a_later_keras_file(tmp_path: Path, model: keras.Model) -> None:
    save_model(model, tmp_path / "first.h5")
    save_model(model, tmp_path / "second.keras")
    loaded = keras.saving.load_model(tmp_path / "second.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)


def refused(path: Path, complaint: str) -> None:
    with pytest.raises(ModelRefused, match=complaint) as caught:
        load_model(path)
    assert caught.value.exit_code == ExitCode.MODEL_REFUSED
    assert "\n" not in str(caught.value)


def test_lambda_layers_are_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Lambda(lambda x: x)])
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        refused(tmp_path / name, "'Lambda' layer")


def test_pickles_are_refused_by_content(tmp_path: Path) -> None:
    for name in ("model.pkl", "model.keras", "model.h5"):
        (tmp_path / name).write_bytes(pickle.dumps({"weights": [1]}))
        refused(tmp_path / name, "pickle, which can run code")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    refused(tmp_path / "model.keras", "no plain .keras model")


def rewrite_config(path: Path, change: dict[str, object]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1] |= change
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"class_name": "TFSMLayer"}, "TFSMLayer"),
        ({"config": {"activation": {"class_name": "GaussianNoise"}}}, "has an activation"),
        ({"config": {"activation": "gelu"}}, "has an activation 'gelu'"),
        ({"config": {"units": 10**12}}, "units 1000000000000"),
        ({"config": {"scale": {"class_name": "__lambda__"}}}, "asks for None.__lambda__"),
        ({"config": {"filters": 10**9}}, "filters 1000000000"),
        ({"config": {"kernel_size": [3, 10**9]}}, "kernel_size 1000000000"),
        ({"config": {"strides": [0, 1]}}, "strides 0"),
        ({"config": {"dilation_rate": "2"}}, "dilation_rate '2'"),
        ({"config": {"target_shape": [-2]}}, "target_shape -2"),
        (
            {"class_name": "Dense", "config": {"name": "d", "units": 65536}},
            "larger than|more than|cannot be",
        ),
        ({"module": "os"}, "asks for os"),
        ({"module": "kerasevil.layers"}, "asks for kerasevil"),
        ({"registered_name": "evil>Rescaling"}, "asks for evil>"),
        (
            {
                "config": {
                    "scale": {"class_name": "function", "module": "builtins", "config": "eval"}
                }
            },
            "asks for builtins",
        ),
    ],
)
def test_tampered_configurations_are_refused(
    path: Path, change: dict[str, object], complaint: str
) -> None:
    rewrite_config(path, change)
    refused(path, complaint)


def test_a_small_file_that_would_build_a_giant_is_refused(path: Path) -> None:
    """Each layer is within its limit; their product is what would take the memory."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    first = next(x for x in config["config"]["layers"] if x["class_name"] == "Dense")
    wide = [
        json.loads(json.dumps(first))
        | {"config": first["config"] | {"units": 65_536, "name": name}}
        for name in "ab"
    ]
    config["config"]["layers"][-1:-1] = wide
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path, "would build more than 268,435,456 numbers")


def test_a_file_of_two_faces_is_refused(path: Path, tmp_path: Path) -> None:
    """Keras goes by suffix; what looks like HDF5 to a check could be a zip to Keras."""
    evil = keras.Sequential([keras.Input((28, 28)), keras.layers.GaussianNoise(0.1)])
    evil.save(tmp_path / "evil.keras")
    save_model(build_ann((4,)), tmp_path / "good.h5")
    both = tmp_path / "both.keras"
    both.write_bytes((tmp_path / "good.h5").read_bytes() + (tmp_path / "evil.keras").read_bytes())
    refused(both, "HDF5 and a zip file at once")
    # A good .keras with HDF5 behind it, named .h5, is loaded as the .keras that was checked.
    evil.save(tmp_path / "evil.h5")
    named_wrong = tmp_path / "named-wrong.h5"
    named_wrong.write_bytes(path.read_bytes())
    assert load_model(named_wrong).count_params() == load_model(path).count_params()


def test_many_paths_through_few_groups_end_quickly(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        groups = [file.create_group(f"g{number}") for number in range(20)]
        for outer, inner in pairwise(groups):
            for link in range(8):
                outer[f"link{link}"] = inner
    refused(path, "holds weights but no model")


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "bomb"])
def test_h5_that_reaches_out_or_swells_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        if kind == "external link":
            file["weights"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "soft link":
            file["weights"] = h5py.SoftLink("/elsewhere")
        elif kind == "external storage":
            file.create_dataset("weights", (8,), "u1", external=[("/etc/passwd", 0, 8)])
        else:
            file.create_dataset("weights", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    refused(path, {"bomb": "unpacks to more", "external storage": "another file"}.get(kind, "link"))


@pytest.mark.parametrize("path", ["keras", "h5"], indirect=True)
def test_truncated_files_are_refused(path: Path) -> None:
    content = path.read_bytes()
    for size in (4, 9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        refused(path, "model")


def test_too_large_and_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(path.parent / "absent.keras", "No such file")
    refused(path.parent, "Is a directory")
    monkeypatch.setattr(saved, "MAX_UNPACKED_BYTES", 100)
    refused(path, "is larger than 100 bytes")
    monkeypatch.setattr(saved, "MAX_UNPACKED_BYTES", 100_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("config.json", "{}")
        bomb.writestr("model.weights.h5", bytes(1_000_000))
    refused(path, "unpacks to more than 100,000 bytes")
