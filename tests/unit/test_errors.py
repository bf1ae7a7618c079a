import inspect

import pytest

from inkdigits import errors
from inkdigits.errors import ExitCode, InkdigitsError, one_line

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, InkdigitsError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_message_is_one_line_with_the_hint_last(kind: type[InkdigitsError]) -> None:
    error = kind("bad\n  value 'x'.", "Do\nthis.")
    assert str(error) == "bad value 'x'. Do this."
    assert error.exit_code in ExitCode
    assert error.exit_code != ExitCode.DONE
    assert 400 <= error.http_status <= 599


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_stands_in_the_drawn_tree(kind: type[InkdigitsError]) -> None:
    assert errors.__doc__ is not None
    line = next(text for text in errors.__doc__.splitlines() if f" {kind.__name__} " in text)
    code, status = line.split(kind.__name__)[1].split()[:2]
    assert (int(code), int(status)) == (kind.exit_code, kind.http_status)


def test_exit_codes_are_the_published_ones() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAULT": 1,
        "USAGE": 2,
        "INPUT": 3,
        "MODEL_REFUSED": 4,
        "DATA_UNAVAILABLE": 5,
        "CANNOT_WRITE": 6,
        "INTERRUPTED": 130,
    }


def test_one_line_folds_white_space() -> None:
    assert one_line(" a\t b\n\nc ") == "a b c"
