"""The number format in which a network is trained on this machine or another."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import pytest
from rich.console import Console

from inkdigits.models.backend import set_up_keras
from inkdigits.training import precision
from inkdigits.training.precision import (
    has_accelerator,
    processor_flags,
    tell_precision,
    trained_precision,
)

set_up_keras()

INTEL = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16 amx_bf16\nbugs\t\t: spectre\n"
OLDER = "processor\t: 0\nflags\t\t: fpu avx2 avx512f\nbugs\t\t: bf16\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd i8mm bf16\n"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setattr(precision, "has_accelerator", lambda: False)
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    return monkeypatch


@pytest.mark.parametrize(
    ("told", "expected"), [(INTEL, "bfloat16"), (ARM, "bfloat16"), (OLDER, "float32")]
)
def test_bfloat16_is_used_where_the_processor_has_it(
    engine: pytest.MonkeyPatch, tmp_path: Path, told: str, expected: str
) -> None:
    (tmp_path / "cpuinfo").write_text(told)
    assert trained_precision("bfloat16") == expected
    assert trained_precision("float32") == "float32"


def test_jax_on_a_processor_trains_in_float32(engine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(INTEL)
    engine.setattr(keras.backend, "backend", lambda: "jax")
    assert trained_precision("bfloat16") == "float32"


def test_an_accelerator_trains_in_what_the_recipe_says(engine: pytest.MonkeyPatch) -> None:
    engine.setattr(precision, "has_accelerator", lambda: True)
    assert trained_precision("bfloat16") == "bfloat16"


def test_without_a_file_that_tells_of_the_processor_it_is_float32(
    engine: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert processor_flags(tmp_path / "cpuinfo") == frozenset()
    assert trained_precision("bfloat16") == "float32"


def test_a_recipe_that_trains_otherwise_is_told(engine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(OLDER)
    told = Console(file=io.StringIO())
    tell_precision("float32", told)
    assert told.file.getvalue() == ""
    tell_precision("bfloat16", told)
    assert told.file.getvalue() == "training in float32: this machine is slower in bfloat16\n"


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="asks JAX")
def test_a_processor_is_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    assert has_accelerator() == (jax.default_backend() != "cpu")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert has_accelerator()
