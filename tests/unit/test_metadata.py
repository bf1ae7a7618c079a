import json
from dataclasses import replace

import pytest

from inkdigits.artefact.metadata import FORMAT, from_props, to_props
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
