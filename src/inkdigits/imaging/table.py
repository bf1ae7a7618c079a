"""Table: the cells between the rules of a page, in rows and columns.

Cells are what the rules part the page into, so that bends, tilt and joined cells need no care; a
cell's row is the count of rules above it, so that the order is the grid's however it is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.page_rules import PageRules, Rule

OUTSIDE, ON_RULE = -1, -2
"""In place of a cell: the surroundings of a table, and its rules."""


@dataclass(frozen=True)
class Table:
    """The cells between the rules of a page, on a small copy of `scale` pixels per page pixel.

    `cells` is int32 (h, w): which cell each pixel is of, `OUTSIDE` or `ON_RULE`;
    `rows` and `columns` say for each cell how many rules lie above, and to the left; `boxes` its
    left, top, right and bottom, float64 (n, 4).
    """

    scale: float
    cells: NDArray[np.int32]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    boxes: NDArray[np.float64]

    def cell_at(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int32]:
        """Return which cell is at places of the page, in its pixels."""
        rows, columns = self.cells.shape
        across = ((x + 0.5) * self.scale).astype(np.intp).clip(0, columns - 1)
        down = ((y + 0.5) * self.scale).astype(np.intp).clip(0, rows - 1)
        return np.asarray(self.cells[down, across])


def cells_between(rules: PageRules, usual: float) -> Table | None:
    """Return the cells into which the rules part the page; None where there are none.

    `usual` is the height of the usual digit in pixels of the page. Left out is what is too small
    for a digit, and what surrounds the table.
    """
    tall = usual * rules.scale
    walls = np.zeros(rules.shape, np.uint8)
    for found, turned in ((rules.level, False), (rules.upright, True)):
        for rule in found:
            draw_wall(walls, rule, 0.6 * tall, turned=turned)
    count, *parts, centres = cv2.connectedComponentsWithStats(1 - walls, connectivity=4)
    labels, stats = (np.asarray(part, np.int32) for part in parts)
    kept = np.flatnonzero(are_cells(labels, stats, tall)) if count > 1 else np.array([], np.intp)
    if not kept.size:
        return None
    renamed = np.full(count, OUTSIDE, np.int32)
    renamed[kept] = np.arange(len(kept))
    renamed[0] = ON_RULE
    x, y = centres[kept, 0], centres[kept, 1]
    boxes = np.concatenate([stats[kept, :2], stats[kept, :2] + stats[kept, 2:4]], axis=1)
    return Table(
        rules.scale,
        renamed[labels],
        rules_before(rules.level, rules.upright, x, y),
        rules_before(rules.upright, rules.level, y, x),
        boxes.astype(np.float64),
    )


def draw_wall(walls: NDArray[np.uint8], rule: Rule, beyond: float, *, turned: bool) -> None:
    """Draw a rule, lengthened at both ends, one pixel wide and without a hole."""
    x = np.concatenate([[rule.x[0] - beyond], rule.x, [rule.x[-1] + beyond]])
    y = rule.at(x)
    points = np.rint(np.stack([y, x] if turned else [x, y], axis=1)).astype(np.int32)
    cv2.polylines(walls, [points[:, None]], isClosed=False, color=1, lineType=cv2.LINE_8)


def are_cells(
    labels: NDArray[np.int32], stats: NDArray[np.int32], tall: float
) -> NDArray[np.bool_]:
    """Return which parts of a page between its rules are cells of a table.

    A part along three sides of the page, or a large one at the border, surrounds the table.
    """
    rows, columns = labels.shape
    left, top, width, height, area = (stats[:, i] for i in range(5))
    sound = (width >= 0.5 * tall) & (height >= 0.7 * tall) & (area >= 0.5 * tall * tall)
    sound[0] = False
    borders = (left == 0).astype(int) + (top == 0)
    borders = borders + (left + width == columns) + (top + height == rows)
    sound &= borders < 3
    if sound.sum() < 2:
        return np.zeros_like(sound)
    usual = float(np.median(area[sound]))
    return np.asarray(sound & ((borders == 0) | (area <= 5 * usual)))


def rules_before(
    rules: list[Rule], others: list[Rule], along: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return how many rules lie before each place, counted along `others`, turned against them."""
    tilt = float(np.median([(rule.y[-1] - rule.y[0]) / rule.length for rule in others]))
    count = np.zeros(len(along), np.intp)
    for rule in rules:
        away = rule.at(along) - across
        foot = along + tilt * away
        covered = (rule.x[0] - 3 <= foot) & (foot <= rule.x[-1] + 3)
        count += covered & (away < 0)
    return count
