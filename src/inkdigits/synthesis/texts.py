"""Texts: which numbers people write: amounts, years, postal codes, marks, single digits."""

from __future__ import annotations

import numpy as np

MAX_DIGITS = 8


def number_text(rng: np.random.Generator) -> str:
    """Draw a number of 1 to 8 digits as text; leading zeros occur."""
    makers = (amount, plain, mark, code, single, year)
    return makers[int(rng.choice(len(makers), p=(0.42, 0.2, 0.14, 0.08, 0.1, 0.06)))](rng)


def amount(rng: np.random.Generator) -> str:
    """Draw an amount: small first digits are commoner, and many end in zeros."""
    value = 10 ** rng.uniform(0.7, 6.3)
    length = len(str(int(value)))
    zeros = int(rng.choice([0, 1, 2, 3], p=(0.5, 0.15, 0.15, 0.2)))
    zeros = min(zeros, length - 1)
    return str(max(1, int(value / 10**zeros)) * 10**zeros)


def plain(rng: np.random.Generator) -> str:
    """Draw any digits, leading zeros too."""
    length = int(rng.choice(np.arange(1, MAX_DIGITS + 1), p=LENGTHS))
    return "".join(str(digit) for digit in rng.integers(0, 10, length))


def mark(rng: np.random.Generator) -> str:
    """Draw a mark of one to three digits, some with a leading zero."""
    if rng.random() < 0.15:
        return f"{int(rng.integers(0, 20)):02d}"
    return str(int(rng.integers(0, 101 if rng.random() < 0.7 else 300)))


def code(rng: np.random.Generator) -> str:
    """Draw a postal code or the number of a form."""
    length = int(rng.choice([4, 5, 5, 5, 6, 8]))
    return f"{int(rng.integers(0, 10**length)):0{length}d}"


def single(rng: np.random.Generator) -> str:
    """Draw one digit."""
    return str(int(rng.integers(0, 10)))


def year(rng: np.random.Generator) -> str:
    """Draw a year."""
    return str(int(rng.integers(1890, 2040)))


LENGTHS = (0.05, 0.15, 0.2, 0.2, 0.15, 0.12, 0.08, 0.05)
