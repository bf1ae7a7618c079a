from __future__ import annotations

import dataclasses
import json

import pytest

from inkdigits.reading.result import Digit, Number, Reading

BOX = (12, 9, 30, 41)
NUMBER = Number("2", 0.98765432, BOX, (Digit(2, 0.98765432, BOX),))


def test_a_reading_is_the_json_of_the_design() -> None:
    reading = Reading("cheque.png", "ok", "2", 0.98765432, (NUMBER,))
    assert json.loads(json.dumps(reading.to_dict())) == {
        "image": "cheque.png",
        "status": "ok",
        "text": "2",
        "confidence": 0.987654,
        "numbers": [
            {
                "text": "2",
                "confidence": 0.987654,
                "box": [12, 9, 30, 41],
                "digits": [{"digit": 2, "confidence": 0.987654, "box": [12, 9, 30, 41]}],
            }
        ],
    }


def test_reason_and_error_appear_only_when_set() -> None:
    rejected = Reading("a", "rejected", "", 0.0, (), reason="blank").to_dict()
    failed = Reading("a", "error", "", 0.0, (), error="no such file").to_dict()
    assert rejected["reason"] == "blank"
    assert "error" not in rejected
    assert failed["error"] == "no such file"
    assert "reason" not in failed


def test_results_are_frozen_and_round_only_in_json() -> None:
    assert NUMBER.confidence == 0.98765432
    with pytest.raises(dataclasses.FrozenInstanceError):
        NUMBER.text = "3"  # type: ignore[misc]
