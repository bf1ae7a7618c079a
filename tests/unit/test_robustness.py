"""Robustness: a model's error on corrupted digits, beside another's."""

import json
from pathlib import Path

import numpy as np
import pytest
from samples import drawn_digits

from inkdigits.errors import InvalidData
from inkdigits.evaluation.corruptions import NAMES, corrupt
from inkdigits.evaluation.robustness import (
    Robustness,
    measure_robustness,
    recorded_reference,
    robustness_dict,
    robustness_table,
)

RECORD = Path(__file__).parents[2] / "records" / "robustness-early-stopping.json"


def brightest_row(images):
    """A model of the drawn digits: the brightest pair of rows tells the class."""
    pairs = images[:, 4:24].reshape(len(images), 10, 2, 28).astype(float).sum(axis=(2, 3))
    return np.eye(10, dtype=np.float32)[pairs.argmax(axis=1)]


def test_errors_are_those_of_the_corrupted_images():
    examples = drawn_digits(80)
    found = measure_robustness(brightest_row, examples, "rows", seed=5)
    assert (found.name, found.n, found.seed, found.clean_error) == ("rows", 80, 5, 0.0)
    assert tuple(found.errors) == NAMES
    moved = corrupt(examples.images, "translate", 5)
    expected = (brightest_row(moved).argmax(axis=1) != examples.labels).mean()
    assert found.errors["translate"] == expected > 0.5
    assert found.errors["brightness"] < 0.1
    assert found.mean_error == pytest.approx(np.mean(list(found.errors.values())))
    assert measure_robustness(brightest_row, examples, "rows", seed=5) == found


def test_no_examples_are_refused():
    with pytest.raises(InvalidData, match="no example to corrupt"):
        measure_robustness(brightest_row, drawn_digits(0), "rows")


def test_table_and_json_stand_beside_one_another():
    own = Robustness("a.onnx", 100, 0, 0.01, dict.fromkeys(NAMES, 0.1))
    other = Robustness("b.onnx", 100, 0, 0.02, dict.fromkeys(NAMES, 0.4))
    lines = robustness_table(own, other).splitlines()
    assert len(lines) == 18
    assert lines[0].endswith("b.onnx")
    assert lines[1].split() == ["not", "corrupted", "1.00", "%", "2.00", "%"]
    assert lines[-1].split() == ["mean", "of", "the", "15", "10.00", "%", "40.00", "%"]
    assert robustness_table(own, None).splitlines()[-1].endswith(" 10.00 %")
    content = json.loads(json.dumps(robustness_dict(own, other)))
    assert content["ratio"] == pytest.approx(0.25)
    assert content["beside"]["mean_error"] == pytest.approx(0.4)
    assert "beside" not in robustness_dict(own, None)
    perfect = Robustness("c", 100, 0, 0.0, dict.fromkeys(NAMES, 0.0))
    assert robustness_dict(own, perfect)["ratio"] is None


def test_the_recorded_reference_is_what_the_record_says():
    reference = recorded_reference()
    assert tuple(reference.errors) == NAMES
    assert (reference.n, reference.seeds) == (10_000, (0, 1, 2, 3, 4))
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert record["seeds"] == list(reference.seeds)
    assert record["data"]["sha256"] == reference.data_sha256
    mean = record["figures"][0]["value"]
    assert reference.mean_error == pytest.approx(mean, abs=1e-6)
    for kind in NAMES:
        errors = [run["errors"][kind] for run in record["runs"]]
        assert reference.errors[kind] == pytest.approx(np.mean(errors), abs=1e-6)
