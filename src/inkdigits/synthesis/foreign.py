"""Foreign signs: what makes decimals, sums and codes no whole numbers, not to be read as such."""

from __future__ import annotations

import numpy as np

from inkdigits.artefact.metadata import OTHER, POINT
from inkdigits.synthesis.hand import Hand
from inkdigits.synthesis.layout import Line, scaled
from inkdigits.synthesis.punctuation import add_dash, add_point
from inkdigits.synthesis.strokes import GLYPH_SIDE
from inkdigits.synthesis.symbol_shapes import CAPITALS, SIGNS, SMALL

POINTS = ".,"
DASH = "-"
OPERATORS = "+-×÷=<>"
LETTERS = CAPITALS | SMALL
SHAPES = LETTERS | {sign: ways for sign, ways in SIGNS.items() if len(sign) == 1}


def foreign_text(rng: np.random.Generator) -> str:
    """Draw what is no whole number though digits stand in it, or a grade without any."""
    makers = (decimal, calculation, code, grade)
    return makers[int(rng.choice(len(makers), p=(0.5, 0.15, 0.25, 0.1)))](rng)


def decimal(rng: np.random.Generator) -> str:
    """Draw a number with one or two places behind the point; three would part thousands."""
    places = 1 + int(rng.random() < 0.3)
    whole = int(10 ** rng.uniform(0, 3))
    point = POINTS[int(rng.random() < 0.35)]
    return f"{whole}{point}{int(rng.integers(0, 10**places)):0{places}d}"


def calculation(rng: np.random.Generator) -> str:
    """Draw two or three numbers with operators between them."""
    numbers = [str(int(10 ** rng.uniform(0, 2.5))) for _ in range(int(rng.integers(2, 4)))]
    text = numbers[0]
    for number in numbers[1:]:
        text += str(rng.choice(list(OPERATORS))) + number
    return text


def code(rng: np.random.Generator) -> str:
    """Draw digits with a letter before, behind or among them."""
    text = "".join(str(digit) for digit in rng.integers(0, 10, int(rng.integers(1, 5))))
    place = int(rng.integers(0, len(text) + 1))
    letter = str(rng.choice([name for name in LETTERS if len(name) == 1]))
    return text[:place] + letter + text[place:]


def grade(rng: np.random.Generator) -> str:
    """Draw a mark as a letter, most with a sign behind it."""
    return str(rng.choice(list("ABCDEF"))) + str(rng.choice(["", "+", "+", "-"]))


def as_label(text: str) -> str:
    """Return a text with each point or comma as `POINT`, any other sign but digits as `OTHER`."""
    labels = dict.fromkeys(POINTS, POINT)
    return "".join(sign if sign.isdigit() else labels.get(sign, OTHER) for sign in text)


def add_foreign(
    sign: str, line: Line, height: float, pen: float, hand: Hand, rng: np.random.Generator
) -> None:
    """Write one sign that is no digit behind what stands on the line; it counts as part of it."""
    if sign in POINTS:
        gap = height * rng.uniform(0.0, 0.25)
        # In some countries the point stands at half height.
        rise = height * rng.uniform(0.2, 0.5) if sign == "." and rng.random() < 0.35 else None
        add_point(line, height, pen, gap, sign == ",", rng, rise, counts=True)
        return
    gap = height * rng.uniform(0.05, 0.4)
    if sign == DASH:
        add_dash(line, height, pen, gap, 1, rng, counts=True)
        return
    ways = SHAPES[sign]
    glyph = hand.write(ways[int(rng.integers(len(ways)))], rng)
    size = height * rng.uniform(0.7, 1.1) / GLYPH_SIDE
    line.add(scaled(glyph, size), 0, gap * 0.5, True)
