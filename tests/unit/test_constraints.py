from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.reading.constraints import CHECKSUMS, MAX_LENGTH, Constraints, passes

VALID = {
    "luhn": ["4539578763621486", "79927398713", "18"],
    "ean": ["4006381333931", "73513537", "036000291452", "10012345678902", "9780306406157"],
    "mod97": ["79444", "3214282912345698765432161182"],
    "verhoeff": ["2363", "1428570", "123451"],
    "damm": ["5724", "0"],
}
texts = st.text("0123456789", max_size=6)


@pytest.mark.parametrize("name", CHECKSUMS)
def test_published_examples_pass_and_every_other_last_digit_fails(name: str) -> None:
    for text in VALID[name]:
        if len(text) < 2:
            assert not passes(text, name)  # a check digit alone checks nothing
            continue
        assert passes(text, name)
        others = {text[:-1] + digit for digit in "0123456789"} - {text}
        assert not any(passes(other, name) for other in others)


@pytest.mark.parametrize("name", ["mod97", "verhoeff", "damm"])
def test_neighbours_exchanged_are_found_out(name: str) -> None:
    for text in VALID[name]:
        for place in range(len(text) - 1):
            swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
            assert swapped == text or not passes(swapped, name)


def test_what_is_accepted() -> None:
    assert Constraints().accepts("") and Constraints().accepts("007")
    assert not Constraints().accepts("1a") and not Constraints().accepts("²")
    assert Constraints(length=3).accepts("007") and not Constraints(length=3).accepts("07")
    assert Constraints(max=100).accepts("0100") and not Constraints(max=100).accepts("101")
    assert Constraints(min=5).accepts("5") and not Constraints(min=5).accepts("04")
    assert not Constraints(max=100).accepts("") and not Constraints(length=1).accepts("")
    code = Constraints(pattern=r"\d{5}(\d{4})?")
    assert [code.accepts("1" * n) for n in (4, 5, 6, 9)] == [False, True, False, True]
    assert Constraints(pattern=r"\d{0,2}").accepts("")


PATTERNS = [
    r"\d{2}(\d{2})?", "20[0-3]\\d", "(12|123)7", r"(\d)(\d)\2\1", r"(?!12)\d+", r"(?=\d*7)\d+",
    r"\d*(?<=00)", r"\d+(?<!1)", r"(?>12|1)23", r"\d++", r"(1)?2(?(1)3|4)", r"(?:123){e<=1}",
    r"(?<n>1|2(?&n)2)", r"1?2?3?", r"^12$|^2\b", r"(?i)0|1(?=2)2", r"\A[1-3]+\Z",
    r"(?|(1)2|(2)3)\1",
    r"(?V1)[[0-3]--[2]]+", r"0x|12", r"(?s:.)1", r"\d{3,}?", r"(?b)(?:33){s<=1}",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_beginning_of_a_match_may_begin(pattern: str) -> None:
    constraints = Constraints(pattern=pattern)
    accepted = [
        text
        for length in range(6)
        for text in map("".join, product("01237", repeat=length))
        if constraints.accepts(text)
    ]
    assert accepted
    for text in accepted:
        assert all(constraints.may_begin(text[:end]) for end in range(len(text) + 1)), text


bounds = st.none() | st.integers(0, 1200)


@settings(max_examples=300, deadline=None)
@given(
    st.none() | st.integers(1, 6), bounds, bounds, st.sampled_from([None, "luhn", "damm"]), texts
)
def test_may_begin_is_exact_for_length_and_range_and_never_wrong(
    length: int | None, high: int | None, low: int | None, checksum: str | None, prefix: str
) -> None:
    try:
        constraints = Constraints(length, checksum=checksum, max=high, min=low)
    except UsageError:
        return
    more = range(6 - len(prefix) + 1) if length is None else range(length - len(prefix) + 1)
    completions = (
        prefix + "".join(rest)
        for count in more
        for rest in (product("0123456789", repeat=count) if count < 4 else [("9",) * count])
    )
    reached = any(constraints.accepts(text) for text in completions)
    assert constraints.may_begin(prefix) or not reached
    if checksum is None and len(prefix) >= 3:
        assert constraints.may_begin(prefix) == reached


def test_what_a_checksum_is_for_bounds_the_length() -> None:
    assert Constraints(checksum="ean").may_begin("4006381333931")
    assert not Constraints(checksum="ean").may_begin("4" * 15)
    assert not Constraints(checksum="ean").may_begin("10012345678901")
    assert not Constraints(length=4, checksum="damm").may_begin("5725")
    assert not Constraints().may_begin("1" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"length": 0}, "length must be at least 1 and 512 at most, got 0"),
        ({"length": -3}, "got -3"),
        ({"length": 600}, "got 600"),
        ({"length": 4.0}, "must be a whole number, got 4.0"),
        ({"max": -1}, "max must be at least 0"),
        ({"max": 10**600}, "got a larger one"),
        ({"min": True}, "must be a whole number, got True"),
        ({"min": 9, "max": 3}, "no number is at least 9 and at most 3.*Exchange"),
        ({"min": 1000, "length": 3}, "no number of 3 digits is at least 1000"),
        ({"checksum": "lunh"}, "unknown checksum 'lunh'.*mean 'luhn'.*Known are luhn, ean"),
        ({"checksum": "ean13"}, "mean 'ean'"),
        ({"checksum": "ean", "length": 10}, "of 8 or 12 or 13 or 14 digits, got the length 10"),
        ({"checksum": "luhn", "length": 1}, "of at least 2 digits, got the length 1"),
        ({"pattern": "(12"}, r"'\(12' is no regular expression: missing \)"),
        ({"pattern": "1" * 501}, "at most 500 characters, got 501"),
        ({"pattern": 12}, "must be a text, got 12"),
        ({"pattern": "[A-Z]+"}, r"no number matches the pattern '\[A-Z\]\+'"),
        ({"pattern": r"(?r)\d\d"}, "from the right"),
    ],
)
def test_what_is_wrong_is_told(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Constraints(**wrong)  # type: ignore[arg-type]
    assert re.search(said, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pattern", [r"(?:\d|\d\d|\d\d\d)*(?<!\d)", r"(\d?){20}(\d?){20}\2\1x|1"])
def test_a_catastrophic_pattern_is_an_error_and_not_a_hang(pattern: str) -> None:
    with pytest.raises(UsageError, match="takes too long"):
        Constraints(pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d{8000000}",
        r"\d{1,99999999999999999999}",
        r"(\d{70}){80}",
        r"((\d{20}){20}){20}",
        r"\d{,6000}",
    ],
)
def test_a_pattern_that_repeats_too_much_is_refused_before_it_is_compiled(pattern: str) -> None:
    with pytest.raises(UsageError, match="repeats too much"):
        Constraints(pattern=pattern)


@pytest.mark.parametrize(
    "pattern", [r"\d{5}(\d{4})?", r"(\d{4}){2,4}", r"\d{512}", r"(\d{3}){3,100}"]
)
def test_usual_repeats_are_taken(pattern: str) -> None:
    assert Constraints(pattern=pattern).pattern == pattern
