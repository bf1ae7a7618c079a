"""Constraints: what a number must fulfil (length, pattern, checksum, range), asked digit by digit.

A text consists of the digits 0–9 only, leading zeros included. The search asks of every prefix
whether it may begin an accepted text, so that it never follows a road that leads nowhere.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inkdigits.errors import UsageError

if TYPE_CHECKING:
    from regex import Pattern

MAX_LENGTH = 512
"""Digits of the longest number."""
MAX_PATTERN = 500
"""Characters of the longest pattern."""
MAX_REPEATED = 5000
"""Characters that a pattern may have with all its repeats written out: more take seconds."""
SIGNS = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]|\{(\d*),?(\d*)\}|.)", re.DOTALL)
"""The signs of a pattern; of a count, its least and its most."""
PROBE = 40
"""Digits of the texts that a new pattern is tried on."""
PATTERN_SECONDS = 0.25
"""Processor time that one comparison with a pattern may take; usual ones take microseconds."""

DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip
VERHOEFF = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


@dataclass(frozen=True)
class Constraints:
    """What the text of a number must fulfil; None asks for nothing.

    `length` is its number of digits, 1–512; `pattern` a regular expression that the whole text must
    match (at most 500 characters, syntax of the `regex` package); `checksum` the name of a check
    that the text with its check digits must pass (see `CHECKSUMS`); `max` and `min` the largest and
    the smallest value, both included. Raises UsageError for what is wrong or cannot be fulfilled.
    """

    length: int | None = None
    pattern: str | None = None
    checksum: str | None = None
    max: int | None = None
    min: int | None = None

    def __post_init__(self) -> None:
        if self.length is not None:
            check_whole("length", self.length, 1, MAX_LENGTH)
        for name, value in (("max", self.max), ("min", self.min)):
            if value is not None:
                check_whole(name, value, 0, 10**MAX_LENGTH - 1)
        self._check_range()
        if self.checksum is not None:
            check_checksum(self.checksum, self.length)
        if self.pattern is not None:
            check_pattern(self.pattern, self.length or PROBE)

    def accepts(self, text: str) -> bool:
        """Tell whether `text` fulfils everything; no digits, "", only where no number is asked for.

        Raises UsageError when the pattern takes too long.
        """
        if len(text) > MAX_LENGTH or (text and not (text.isascii() and text.isdigit())):
            return False
        return (
            self.length in (None, len(text))
            and self._within_range(text)
            and (self.checksum is None or passes(text, self.checksum))
            and (self.pattern is None or matches(self.pattern, text))
        )

    def may_begin(self, prefix: str) -> bool:
        """Return False only when no text that begins with `prefix` can be accepted.

        Exact for length and range. A checksum rules out what is too long for it, or complete and
        wrong. Raises UsageError when the pattern takes too long.
        """
        longest = self._longest
        if len(prefix) >= longest:
            return len(prefix) == longest and self.accepts(prefix)
        return self._may_reach_range(prefix) and (
            self.pattern is None or matches(self.pattern, prefix, partial=True)
        )

    @property
    def chance(self) -> float:
        """The share of texts that pass the checksum by chance, 0–1; 1 without a checksum."""
        if self.checksum is None:
            return 1.0
        return 1 / 97 if self.checksum == "mod97" else 0.1

    @property
    def _longest(self) -> int:
        """The most digits that an accepted text can have."""
        if self.length is not None:
            return self.length
        return MAX_LENGTH if self.checksum is None else CHECKSUMS[self.checksum][1][-1]

    def _within_range(self, text: str) -> bool:
        """Tell whether the value of `text` lies from `min` to `max`, where they are given."""
        if self.max is None and self.min is None:
            return True
        return (
            text != ""
            and (self.min or 0) <= int(text)
            and (self.max is None or int(text) <= self.max)
        )

    def _may_reach_range(self, prefix: str) -> bool:
        """Tell whether some number of further digits leads to a value from `min` to `max`."""
        if self.max is None and self.min is None:
            return True
        low, value = self.min or 0, int(prefix or "0")
        if self.length is not None:
            more: Sequence[int] = (self.length - len(prefix),)
        else:
            more = range(max(len(str(bound or 0)) for bound in (self.max, self.min)) + 1)
        return any(
            (self.max is None or value * 10**count <= self.max)
            and (value + 1) * 10**count - 1 >= low
            for count in more
        )

    def _check_range(self) -> None:
        """Raise UsageError when no value, or none of this length, lies within the range."""
        if self.min is None:
            return
        if self.max is not None and self.min > self.max:
            raise UsageError(
                f"no number is at least {self.min} and at most {self.max}.",
                "Exchange min and max, or leave one out.",
            )
        if self.length is not None and self.min >= 10**self.length:
            raise UsageError(
                f"no number of {self.length} digits is at least {self.min}.",
                "Ask for more digits or a smaller minimum.",
            )


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raise UsageError unless `value` is a whole number from `low` to `high`."""
    if type(value) is not int:
        raise UsageError(f"{name} must be a whole number, got {value!r}.")
    if not low <= value <= high:
        shown = f"of {MAX_LENGTH} digits at most" if high >= 10**18 else f"{high} at most"
        size = f"{value}" if abs(value) < 10**18 else "a larger one"
        raise UsageError(f"{name} must be at least {low} and {shown}, got {size}.")


def check_checksum(name: str, length: int | None) -> None:
    """Raise UsageError unless `name` is a checksum, and one for numbers of this length."""
    if name not in CHECKSUMS:
        close = difflib.get_close_matches(str(name).lower(), CHECKSUMS, n=1, cutoff=0.4)
        nearest = f"Did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"unknown checksum {name!r}.", f"{nearest}Known are {', '.join(CHECKSUMS)}."
        )
    lengths = CHECKSUMS[name][1]
    if length is not None and length not in lengths:
        wanted = f"at least {lengths[0]}" if len(lengths) > 9 else " or ".join(map(str, lengths))
        raise UsageError(
            f"the checksum {name} is for numbers of {wanted} digits, got the length {length}.",
            "Change the length or leave the checksum out.",
        )


def check_pattern(pattern: str, length: int) -> None:
    """Raise UsageError unless `pattern` can be compiled, is fast and some text of digits fits it.

    It is tried on texts of `length` digits, so that a catastrophic one shows before any image.
    """
    if not isinstance(pattern, str):
        raise UsageError(f"a pattern must be a text, got {pattern!r}.")
    if len(pattern) > MAX_PATTERN:
        raise UsageError(
            f"a pattern has at most {MAX_PATTERN} characters, got {len(pattern)}.", "Shorten it."
        )
    check_repeats(pattern)
    for probe in ("0" * length, "1" * length, ("1234567890" * length)[:length]):
        matches(pattern, probe)
        matches(pattern, probe, partial=True)
    if not matches(pattern, "") and not any(
        matches(pattern, digit, partial=True) for digit in "0123456789"
    ):
        raise UsageError(
            f"no number matches the pattern {pattern!r}.",
            r"The text of a number has digits only: \d or [0-9].",
        )


def check_repeats(pattern: str) -> None:
    """Raise UsageError where the counts of a pattern, `{5}` or `{2,9}`, make it too large."""
    if written_out(pattern) > MAX_REPEATED:
        raise UsageError(
            f"the pattern {pattern!r} repeats too much.",
            f"A number has at most {MAX_LENGTH} digits.",
        )


def written_out(pattern: str) -> int:
    """Return how many signs a pattern has, a class being one, with its counts written out."""
    sizes, last = [0], 0  # of the open groups, the innermost last; of what a count would repeat
    for sign, least, most in SIGNS.findall(pattern):
        if sign == "(":
            sizes.append(0)
        elif sign == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif least or most:
            # More digits than these are too many already.
            count = max(int(digits[:9]) for digits in (least, most) if digits)
            sizes[-1] += last * max(0, count - 1)
            last *= max(1, count)
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Pattern[str]:
    """Return the compiled `pattern`; raises UsageError when it is none that texts can begin."""
    import regex  # its import takes longer than a reading

    try:
        expression = regex.compile(pattern, cache_pattern=False)
    except Exception as error:  # besides its own error, deep nesting ends in others
        raise UsageError(
            f"the pattern {pattern!r} is no regular expression: {error}.",
            r"Write one such as \d{5} or 20\d\d.",
        ) from error
    if expression.flags & regex.REVERSE:  # its partial match is the end of a text, not its begin
        raise UsageError(
            f"the pattern {pattern!r} searches from the right, but numbers are read from the left.",
            "Leave (?r) out.",
        )
    return expression


def matches(pattern: str, text: str, partial: bool = False) -> bool:
    """Tell whether all of `text` matches, or where `partial` might with more characters behind it.

    Raises UsageError when that takes too long.
    """
    try:
        found = compiled(pattern).fullmatch(text, partial=partial, timeout=PATTERN_SECONDS)
    except (TimeoutError, MemoryError) as error:
        raise too_slow(pattern) from error
    return found is not None


def too_slow(pattern: str) -> UsageError:
    """Return the error for a pattern that takes too long."""
    return UsageError(
        f"the pattern {pattern!r} takes too long to compare.",
        r"Write it without nested repetitions such as (\d|\d\d)*.",
    )


def passes(text: str, checksum: str) -> bool:
    """Tell whether `text`, digits only, has a length that `checksum` is for, and passes it."""
    check, lengths = CHECKSUMS[checksum]
    return len(text) in lengths and check([int(digit) for digit in text])


def luhn(digits: list[int]) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled; cards, IMEI, customer numbers."""
    doubled = sum(2 * digit - 9 * (digit > 4) for digit in digits[-2::-2])
    return (sum(digits[::-2]) + doubled) % 10 == 0


def ean(digits: list[int]) -> bool:
    """GS1 modulo 10, weights 3 and 1: EAN-8, UPC-A, EAN-13 (with ISBN-13), GTIN-14."""
    return (sum(digits[::-2]) + 3 * sum(digits[-2::-2])) % 10 == 0


def mod97(digits: list[int]) -> bool:
    """ISO 7064 MOD 97-10: the number modulo 97 is 1; two check digits, payment references."""
    value = 0
    for digit in digits:
        value = (10 * value + digit) % 97
    return value == 1


def verhoeff(digits: list[int]) -> bool:
    """Verhoeff 1969: the group of the pentagon's symmetries; identity numbers such as Aadhaar."""
    state = 0
    for place, digit in enumerate(reversed(digits)):
        for _ in range(place % 8):
            digit = VERHOEFF[digit]  # noqa: PLW2901 - permuted once for each place
        turned = digit if state < 5 else -digit
        state = (state + turned) % 5 + 5 * ((state < 5) != (digit < 5))
    return state == 0


def damm(digits: list[int]) -> bool:
    """Damm 2004: a totally anti-symmetric quasigroup of order 10."""
    state = 0
    for digit in digits:
        state = int(DAMM[state][digit])
    return state == 0


CHECKSUMS: dict[str, tuple[Callable[[list[int]], bool], Sequence[int]]] = {
    "luhn": (luhn, range(2, MAX_LENGTH + 1)),
    "ean": (ean, (8, 12, 13, 14)),
    "mod97": (mod97, range(3, MAX_LENGTH + 1)),
    "verhoeff": (verhoeff, range(2, MAX_LENGTH + 1)),
    "damm": (damm, range(2, MAX_LENGTH + 1)),
}
"""Each checksum by name: its test, and the lengths that it is for, check digits included."""
