"""Segment: a page becomes the regions that hold one number each, in reading order.

A ruled table is parted by its cells, free text into lines and by gaps. One number alone, in the
boxes of a comb too, is one region: by that a picture of one number is told from a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.page_ink import (
    Parts,
    digit_height,
    faint_and_ink,
    page_ink,
    parts_of,
    rough_height,
)
from inkdigits.imaging.page_rules import PageRules, find_rules, printed_by
from inkdigits.imaging.table import ON_RULE, OUTSIDE, Table, cells_between
from inkdigits.imaging.text_lines import (
    Boxes,
    hull,
    hulls_of,
    joined_pieces,
    mains_of,
    text_numbers,
)

ROOM = 0.35
"""Room left around the ink of a region, in usual heights."""
SHARED, CUT = 0.3, 1.4
"""A component with this share of its ink in each of two cells is cut between them, if it is so many
usual heights tall."""
CUT_OFF, SLIVER = 0.7, 0.3
"""What the page's border cuts is left out where less than this of a usual height is seen, of what
the upper or lower border cuts, and of what the left or right one does."""
SPECK = 0.12
"""Ink of a cell smaller than this share of the usual height is a speck."""
REDRAWN, INWARDS = 0.8, 0.25
"""A side of a cell that was drawn again has this share of its height, and reaches at most so many
usual heights into it."""
WIDE, HIGH = 10, 3.5
"""In a cell of more usual heights than these, there may be several numbers."""
LEAST = 0.4
"""The ink of a cell that holds anything is this share of the usual height tall, or wide."""
COMB_BOX = 1.7
"""A comb's box is at most so many times as wide as it is tall."""
ALIKE = 1.5
"""The widest box of a comb is at most so many times as wide as the usual one."""


@dataclass(frozen=True)
class Region:
    """The part of a page that holds one number, with a little room, for `line.find_number`.

    `box` is left, top, width, height in source pixels, within the page; `row` counts text lines or
    table rows that hold anything from the top, `column` the place within it from the left, both
    from 0.
    """

    box: tuple[int, int, int, int]
    row: int
    column: int


class Found(NamedTuple):
    """One number on the reduced copy: `box` is left, top, right, bottom.

    `row` counts the rules above it, `line` the lines of text between two rules, `column` is its
    place from the left, in any measure that grows along its line.
    """

    row: int
    line: int
    column: float
    box: NDArray[np.float64]


def layout_of(grey: Grey) -> Literal["line", "page"]:
    """Tell a picture of one number, or of none, from a page of several; `grey` as for `segment`."""
    return "page" if len(segment(grey)) > 1 else "line"


def segment(grey: Grey) -> tuple[Region, ...]:
    """Return all numbers of a page, uint8 (H, W) of either polarity, in reading order.

    From the top and from the left, tables row by row; () where nothing is written. Letters and
    words are regions too: what they are is for the reader to say.
    """
    ink = page_ink(grey)
    masks = None if ink is None else faint_and_ink(ink, ink.depth)
    if ink is None or masks is None:
        return ()
    usual = rough_height(masks[1])
    if usual == 0:
        return ()
    rules = find_rules(masks[0], usual)
    if rules.level or rules.upright:
        depth = ink.depth.copy()
        depth[printed_by(rules, masks[0], depth)] = 0
        masks = faint_and_ink(ink, depth)
        if masks is None:
            return ()
    parts = parts_of(masks[1])
    usual = digit_height(parts.stats, parts.labels.shape)
    if usual == 0:
        return ()
    found = numbers_on(parts, rules, usual)
    return regions_of(found, usual, ink.factor, grey.shape)


def numbers_on(parts: Parts, rules: PageRules, usual: float) -> list[Found]:
    """Return the numbers on a page, by cells where there is a table, elsewhere by lines."""
    parts = without_cut(parts, usual)
    boxes = edges_of(parts.stats)
    table = cells_between(rules, usual) if rules.level and rules.upright else None
    if table is None:
        return free_numbers(boxes, usual, None)
    pieces, owners = by_cell(parts, boxes, table, usual)
    found: list[Found] = []
    for row in np.unique(table.rows).tolist():
        cells = np.flatnonzero(table.rows == row)
        cells = cells[np.argsort(table.columns[cells], kind="stable")]
        held = [pieces[owners == cell] for cell in cells]
        found += row_numbers(table, cells, held, usual)
    return found + free_numbers(pieces[owners == OUTSIDE], usual, rules)


def without_cut(parts: Parts, usual: float) -> Parts:
    """Return the components without those cut by the page's border: neighbours, shadows."""
    rows, columns = parts.labels.shape
    left, top, width, height = (parts.stats[:, i] for i in range(4))
    outer = (top == 0) | (top + height == rows)
    sides = (left == 0) | (left + width == columns)
    cut = (outer & (height < CUT_OFF * usual)) | (sides & (width < SLIVER * usual))
    through = (top == 0) & (top + height == rows) & (height > 1.5 * usual)
    cut |= through & (width < 0.2 * height)
    return Parts(parts.labels, parts.names[~cut], parts.stats[~cut])


def edges_of(stats: NDArray[np.int32]) -> Boxes:
    """Return components as left, top, right, bottom."""
    return np.concatenate([stats[:, :2], stats[:, :2] + stats[:, 2:4]], axis=1).astype(np.float64)


def free_numbers(boxes: Boxes, usual: float, rules: PageRules | None) -> list[Found]:
    """Return the numbers of free text, in lines; with `rules`, by how many lie above a line."""
    found = []
    for place, line in enumerate(text_numbers(boxes, usual)):
        hulls = hulls_of(boxes, line)
        row = 0 if rules is None else rules_above(rules, hull(hulls))
        found += [Found(row, place, float(box[0]), box) for box in hulls]
    return found


def rules_above(rules: PageRules, box: NDArray[np.float64]) -> int:
    """Return how many level rules lie above the middle of a box of the reduced copy."""
    x, y = (box[:2] + box[2:]) / 2 * rules.scale
    return sum(float(rule.at(x)) < y for rule in rules.level)


def by_cell(
    parts: Parts, boxes: Boxes, table: Table, usual: float
) -> tuple[Boxes, NDArray[np.intp]]:
    """Return the components' boxes and the cell of each, `OUTSIDE` or `ON_RULE` for none.

    A component belongs to the cell that holds most of its ink; one that fills two is cut in two.
    """
    if not len(boxes):
        return boxes, np.zeros(0, np.intp)
    ends = np.stack([boxes[:, :2], boxes[:, 2:] - 1], axis=1)
    corners = np.stack(
        [table.cell_at(ends[:, i, 0], ends[:, j, 1]) for i in (0, 1) for j in (0, 1)]
    )
    owners = corners[0].astype(np.intp)
    halves: list[NDArray[np.float64]] = []
    cells: list[int] = []
    for index in np.flatnonzero((corners != corners[0]).any(axis=0)).tolist():
        y, x = pixels_of(parts, index)
        at = table.cell_at(x, y)
        votes = np.bincount(at - ON_RULE, minlength=2)
        votes[0] = 0
        owners[index] = int(votes.argmax()) + ON_RULE if votes.any() else ON_RULE
        tall = boxes[index, 3] - boxes[index, 1] > CUT * usual
        for other in np.flatnonzero(votes >= SHARED * votes.sum()).tolist() if tall else ():
            own = at == other + ON_RULE
            part = np.array([x[own].min(), y[own].min(), x[own].max() + 1, y[own].max() + 1])
            if other + ON_RULE == owners[index]:
                boxes[index] = part
            else:
                halves.append(part.astype(np.float64))
                cells.append(other + ON_RULE)
    if halves:
        return np.concatenate([boxes, halves]), np.concatenate([owners, cells])
    return boxes, owners


def pixels_of(parts: Parts, index: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of a component's pixels."""
    left, top, width, height = parts.stats[index, :4].tolist()
    own = parts.labels[top : top + height, left : left + width] == parts.names[index]
    y, x = np.nonzero(own)
    return y + top, x + left


def row_numbers(
    table: Table, cells: NDArray[np.intp], held: list[Boxes], usual: float
) -> list[Found]:
    """Return the numbers in a row of cells, given what each of them holds."""
    row = int(table.rows[cells[0]])
    inks = [
        written(without_sides(boxes, table.boxes[cell] / table.scale, usual), usual)
        for cell, boxes in zip(cells.tolist(), held, strict=True)
    ]
    if is_comb(table, cells, inks, usual):
        filled = [boxes for boxes in inks if len(boxes)]
        return [Found(row, 0, 0.0, hull(np.concatenate(filled)))] if filled else []
    found = []
    for cell, boxes in zip(cells.tolist(), inks, strict=True):
        if not len(boxes):
            continue
        left, top, right, bottom = table.boxes[cell] / table.scale
        column = float(table.columns[cell])
        if right - left > WIDE * usual or bottom - top > HIGH * usual:
            lines = text_numbers(boxes, usual)
            found += [
                Found(row, line, column + float(hull(boxes[number])[0]) / 1e6, hull(boxes[number]))
                for line, numbers in enumerate(lines)
                for number in numbers
            ]
        else:
            found.append(Found(row, 0, column, hull(boxes)))
    return found


def without_sides(boxes: Boxes, cell: NDArray[np.float64], usual: float) -> Boxes:
    """Return what a cell holds without its sides, where these were drawn again with a pen."""
    tall = boxes[:, 3] - boxes[:, 1] >= REDRAWN * (cell[3] - cell[1])
    inwards = np.minimum(boxes[:, 2] - cell[0], cell[2] - boxes[:, 0])
    return np.asarray(boxes[~(tall & (inwards <= INWARDS * usual))])


def written(boxes: Boxes, usual: float) -> Boxes:
    """Return what is writing of all that a cell holds: none of it where nothing is tall enough."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    main = boxes[height >= LEAST * usual]
    if not len(main):
        return boxes[:0]
    left, top, right, bottom = hull(main)
    sound = np.maximum(width, height) >= SPECK * usual
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    near = (x > left - usual) & (x < right + usual) & (y > top) & (y < bottom)
    return np.asarray(boxes[sound & near])


def is_comb(table: Table, cells: NDArray[np.intp], inks: list[Boxes], usual: float) -> bool:
    """Tell whether a row of cells is a comb: narrow boxes alike, one digit each, in one row."""
    if len(cells) < 2:
        return False
    boxes = table.boxes[cells]
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    apart = boxes[1:, 0] - boxes[:-1, 2]
    typical = float(np.median(width))
    alike = (width <= ALIKE * typical).all() and (apart < typical).all()
    narrow = (width <= COMB_BOX * height).all()
    rows = table.rows
    neighbours = np.flatnonzero(np.abs(rows - rows[cells[0]]) == 1)
    alone = all(
        min(one[2], boxes[:, 2].max()) <= max(one[0], boxes[:, 0].min())
        for one in table.boxes[neighbours]
    )
    single = all(len(joined_pieces(ink[mains_of(ink, usual)], usual)) <= 1 for ink in inks)
    return bool(alike and narrow and alone and single)


def regions_of(
    found: list[Found], usual: float, factor: int, shape: tuple[int, ...]
) -> tuple[Region, ...]:
    """Return the numbers in order as regions of the source page."""
    order = sorted(found, key=lambda one: (one.row, one.line, one.column, one.box[0]))
    regions: list[Region] = []
    rows, columns, last = -1, 0, None
    for one in order:
        columns = columns + 1 if (one.row, one.line) == last else 0
        rows += columns == 0
        last = (one.row, one.line)
        regions.append(Region(box_in(one.box, usual, factor, shape), rows, columns))
    return tuple(regions)


def box_in(
    box: NDArray[np.float64], usual: float, factor: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Return a box of the copy, with room around it, in source pixels within the page."""
    room = ROOM * usual + 1
    left, top = (max(0, int((side - room) * factor)) for side in box[:2])
    right = min(shape[1], int(np.ceil((box[2] + room) * factor)))
    bottom = min(shape[0], int(np.ceil((box[3] + room) * factor)))
    return left, top, right - left, bottom - top
