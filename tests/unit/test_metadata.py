import json
from dataclasses import replace

import pytest

from inkdigits.artefact.metadata import (
    ADDED_IN_2,
    ADDED_IN_3,
    FORMAT,
    LINE_LABELS,
    from_props,
    to_props,
)
from inkdigits.errors import ModelRefused
from inkdigits.models.metadata import digit_metadata

FULL = replace(
    digit_metadata(),
    temperature=1.25,
    reject_threshold=0.5,
    recipe='name = "ä"',
    data_name="mnist",
    data_sha256="ab" * 32,
    scores={"test_accuracy": 0.9787},
    package_version="0.1.0",
    not_a_digit_threshold=0.9,
    val_curve=[[0.99, 50, 0], [0.5, 90, 1], [0.0, 98, 4]],
    val_n=100,
)


def test_round_trip_is_exact() -> None:
    props = to_props(FULL)
    assert all(isinstance(value, str) for value in props.values())
    assert from_props(props) == FULL
    assert from_props(props | {"someone.else": "not json {"}) == FULL


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"inkdigits.temperature": "0"}, "temperature must be positive"),
        ({"inkdigits.temperature": "NaN"}, "temperature must be positive"),
        ({"inkdigits.reject_threshold": "1.5"}, "must be 0–1"),
        ({"inkdigits.not_a_digit_threshold": "-1"}, "not_a_digit_threshold must be 0–1"),
        ({"inkdigits.val_n": "97"}, "unsound row"),
        ({"inkdigits.val_curve": "[[0.5, 9, 0], [0.6, 10, 0]]"}, "unsound row"),
        ({"inkdigits.val_curve": "[[0.5, 9, 2], [0.4, 10, 1]]"}, "unsound row"),
        ({"inkdigits.val_curve": "[[NaN, 9, 2]]"}, "unsound row"),
        ({"inkdigits.val_curve": "[[0.5, 9]]"}, "cannot be read"),
        ({"inkdigits.val_curve": "[7]"}, "cannot be read"),
        ({"inkdigits.labels": "[1]"}, "labels must be texts"),
        ({"inkdigits.labels": "{"}, "cannot be read"),
        ({"inkdigits.temperature": '"warm"'}, "cannot be read"),
        ({"inkdigits.format": json.dumps(FORMAT + 1)}, "Upgrade inkdigits"),
    ],
)
def test_bad_values_are_refused(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(ModelRefused, match=complaint):
        from_props(to_props(FULL) | change)


def test_foreign_and_torn_metadata_are_refused() -> None:
    with pytest.raises(ModelRefused, match="no inkdigits metadata"):
        from_props({"author": "somebody"})
    props = to_props(FULL)
    for name in list(props):
        cut = {key: value for key, value in props.items() if key != name}
        with pytest.raises(ModelRefused, match=f"lacks {name.removeprefix('inkdigits.')}: is the"):
            from_props(cut)


def test_a_curve_of_single_looks_is_no_longer_gone_by() -> None:
    numbers = replace(FULL, labels=LINE_LABELS)
    assert from_props(to_props(numbers)).val_n == FULL.val_n
    old = to_props(numbers) | {"inkdigits.format": "3"}
    assert (from_props(old).val_curve, from_props(old).val_n) == ([], 0)
    assert from_props(to_props(FULL) | {"inkdigits.format": "3"}).val_n == FULL.val_n


def test_artefacts_of_older_formats_are_still_read() -> None:
    old = {
        key: value
        for key, value in to_props(FULL).items()
        if key.removeprefix("inkdigits.") not in ADDED_IN_3
    } | {"inkdigits.format": "2"}
    read = from_props(old)
    assert (read.parent_sha256, read.val_n) == ("", FULL.val_n)
    old = {
        key: value for key, value in old.items() if key.removeprefix("inkdigits.") not in ADDED_IN_2
    } | {"inkdigits.format": "1"}
    read = from_props(old)
    assert (read.not_a_digit_threshold, read.val_curve, read.val_n) == (1.0, [], 0)
    assert read.temperature == FULL.temperature
    del old["inkdigits.temperature"]
    with pytest.raises(ModelRefused, match="lacks temperature"):
        from_props(old)
