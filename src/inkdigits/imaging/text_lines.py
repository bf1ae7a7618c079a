"""Text lines: components of ink become lines, and lines become numbers, by the gaps in them.

Lengths are told by the height of the usual digit. A gap inside a number is small, unless its digits
stand far apart throughout: then only a gap much larger than those parts two numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]
Boxes: TypeAlias = NDArray[np.float64]
"""Left, top, right, bottom of n components: float64 (n, 4)."""
Group: TypeAlias = NDArray[np.intp]
"""Which components belong together."""

MAIN = 0.45
"""A component of this share of the usual height is a digit or several; less may be a dot."""
TALLEST = 4.0
"""A component of this many usual heights is no digit."""
FLAT, LONGEST_FLAT = 5.0, 4.0
"""What is so many times as wide as tall, and so many usual heights wide, is a printed line."""
BESIDE = 0.6
"""Components stand on the same line when their middles differ by less than this, by the height."""
ALONGSIDE = 0.6
"""And when this share of the smaller one's height is beside the other."""
REMEMBERED = 3
"""So many last components say where a line goes on."""
CLOSE, ALONE = (1.0, 2.0), (1.8, 2.6)
"""A gap that parts two numbers, in usual heights, where digits stand close, and wherever: on a page
of several lines, and on a single line, where one number is likely."""
SPREAD = 1.9
"""A gap that parts two numbers, by the gaps within a number that is widely spaced."""
COLUMN_GAP, COLUMN_SHARE, COLUMN_LINES = 0.3, 0.8, 4
"""A gap of so many usual heights parts two numbers where it continues a gap between columns: where
this share of the other lines at its place, and so many, are parted there."""
STACKED = 0.2
"""Pieces of a broken digit lie within this share of the usual height above each other."""
BROKEN = 1.35
"""A broken digit is at most this many usual heights tall."""
DASH = (0.35, 2.0)
"""A dash is so many usual heights wide. On a single line it holds together what is on both its
sides; on a page it mostly ends a number."""
OVERLAP = 0.45
"""Boxes of two numbers overlap by less than this share of the smaller one."""
DOT = 0.1
"""A dot or comma is so many usual heights wide and tall, at least."""
NESTED = 0.35
"""Boxes that share this part of the smaller one, both ways, hold one digit."""
REACH_X, REACH_Y = 0.9, 0.35
"""A dot, comma or dash belongs to a number within this many usual heights."""
PAIRS = 400
"""The slope of lines is measured on at most so many components."""


def mains_of(boxes: Boxes, usual: float) -> Group:
    """Return which components are digits by their height."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    flat = width > np.maximum(FLAT * height, LONGEST_FLAT * usual)
    return np.flatnonzero((height >= MAIN * usual) & (height <= TALLEST * usual) & ~flat)


def joined_pieces(boxes: Boxes, usual: float) -> list[Group]:
    """Return the components in groups: pieces of one broken digit, one above the other, together.

    Sorted by the left side of the group.
    """
    order = np.argsort(boxes[:, 0], kind="stable")
    groups: list[list[int]] = []
    hulls: list[list[float]] = []
    sides = boxes.tolist()  # single values of arrays are slow
    far = STACKED * usual
    for index in order.tolist():
        box = sides[index]
        for place in range(len(groups) - 1, max(-1, len(groups) - 13), -1):
            one = hulls[place]
            # Nearly all lie left of it, above or below, as is seen at once.
            apart = one[2] <= box[0] or box[1] - one[3] >= far or one[1] - box[3] >= far
            if not apart and is_stacked(one, box, usual):
                groups[place].append(index)
                low, high = map(min, one[:2], box[:2]), map(max, one[2:], box[2:])
                hulls[place] = [*low, *high]
                break
        else:
            groups.append([index])
            hulls.append(box)
    return [np.array(group, np.intp) for group in groups]


def is_stacked(one: Sequence[float], other: Sequence[float], usual: float) -> bool:
    """Tell whether two boxes (left, top, right, bottom) are pieces of one broken digit."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    if across <= 0.3 * min(one[2] - one[0], other[2] - other[0]):
        return False
    apart = max(one[1], other[1]) - min(one[3], other[3])
    if -apart > NESTED * min(one[3] - one[1], other[3] - other[1]):
        return across > NESTED * min(one[2] - one[0], other[2] - other[0])
    tall = max(one[3], other[3]) - min(one[1], other[1])
    return apart < STACKED * usual and tall <= BROKEN * usual


def hull(boxes: Boxes) -> NDArray[np.float64]:
    """Return the box around all `boxes`."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def hulls_of(boxes: Boxes, groups: Sequence[Group]) -> Boxes:
    """Return the box around the components of each group, none of which is empty."""
    if not groups:
        return np.zeros((0, 4))
    starts = np.cumsum([0, *map(len, groups[:-1])])
    own = boxes[np.concatenate(groups)]
    low = np.minimum.reduceat(own[:, :2], starts)
    return np.concatenate([low, np.maximum.reduceat(own[:, 2:], starts)], axis=1)


def slope_of(boxes: Boxes, usual: float) -> float:
    """Return how much lines of `boxes` sink by the pixel: the median over neighbours on a line."""
    few = boxes if len(boxes) <= PAIRS else boxes[:: -(-len(boxes) // PAIRS)]
    x, y = (few[:, 0] + few[:, 2]) / 2, (few[:, 1] + few[:, 3]) / 2
    right, down = x - x[:, None], y - y[:, None]
    near = (right > 0.8 * usual) & (right < 8 * usual) & (np.abs(down) < 0.45 * usual)
    if near.sum() < 6:
        return 0.0
    return float(np.median(down[near] / right[near]))


def lines_of(boxes: Boxes, usual: float, slope: float) -> list[Group]:
    """Return the components in lines, from the top, each from left to right.

    A component stands on a line whose level it has, or when it lies beside the line's last one.
    """
    level = boxes - slope * ((boxes[:, 0] + boxes[:, 2]) / 2)[:, None]
    middle = (level[:, 1] + level[:, 3]) / 2
    # There are few lines at a time: single values are faster than arrays.
    sides = np.column_stack([boxes[:, 0], level[:, 1], boxes[:, 2], level[:, 3]]).tolist()
    middles = middle.tolist()
    lines: list[list[int]] = []
    levels: list[float] = []
    for index in np.argsort(boxes[:, 0], kind="stable").tolist():
        away = [
            away_from(at, sides[line[-1]], sides[index], usual)
            for at, line in zip(levels, lines, strict=True)
        ]
        nearest = min(away, default=BESIDE)
        if nearest < BESIDE:
            place = away.index(nearest)
            lines[place].append(index)
            known = lines[place][-REMEMBERED:]
            levels[place] = sum(middles[one] for one in known) / len(known)
        else:
            lines.append([index])
            levels.append(middles[index])
    tops = [float(np.median(middle[line])) for line in lines]
    return [np.array(lines[place], np.intp) for place in np.argsort(tops, kind="stable")]


def away_from(level: float, last: Sequence[float], side: Sequence[float], usual: float) -> float:
    """Return how far from the `level` of a line a component lies, by its height.

    It is near wherever it lies beside the line's `last` one; both are left, top, right, bottom.
    """
    height = side[3] - side[1]
    away = abs(level - (side[1] + side[3]) / 2) / max(usual, min(height, 1.5 * usual))
    near = 0.9 * BESIDE
    if away <= near:
        return away
    other = last[3] - last[1]
    shared = min(last[3], side[3]) - max(last[1], side[1])
    taller = min(max(other, height, usual), 1.5 * usual)
    beside = shared >= ALONGSIDE * min(other, height) and side[0] - last[2] < CLOSE[0] * taller
    return near if beside else away


def gaps_in(boxes: Boxes, small: Boxes) -> NDArray[np.float64]:
    """Return how far each component of a line, sorted by left, stands from all before it.

    Where dots or commas, `small`, stand between the two, the largest gap to one of them counts.
    """
    ends = np.maximum.accumulate(boxes[:-1, 2])
    gaps = np.asarray(boxes[1:, 0] - ends)
    if not len(small) or not gaps.size:
        return gaps
    for place in np.flatnonzero(gaps > np.quantile(gaps, 0.25)).tolist():
        pair = hull(boxes[place : place + 2])
        middle = (small[:, 1] + small[:, 3]) / 2
        inside = (small[:, 0] > ends[place]) & (small[:, 2] < boxes[place + 1, 0])
        inside &= (middle > pair[1]) & (middle < pair[3] + 0.2 * (pair[3] - pair[1]))
        if inside.any():
            dots = small[inside][np.argsort(small[inside, 0])]
            starts = np.append(dots[:, 0], boxes[place + 1, 0])
            gaps[place] = (starts - np.append(ends[place], np.maximum.accumulate(dots[:, 2]))).max()
    return gaps


def parting_gap(gaps: NDArray[np.float64], usual: float, *, alone: bool) -> float:
    """Return the gap that parts two numbers, in pixels, given all gaps of a page.

    `alone` says that it holds a single line.
    """
    least, most = (usual * gap for gap in (ALONE if alone else CLOSE))
    within = float(np.quantile(gaps, 0.25)) if gaps.size else 0.0
    return min(max(least, SPREAD * within), most)


def with_columns(lines: list[Boxes], parted: list[Mask], usual: float) -> list[Mask]:
    """Return after which boxes of each line, sorted by left, a number ends: columns heeded too.

    `parted` says it by the gaps alone. Numbers in columns stand close to each other here and there.
    """
    if len(lines) <= COLUMN_LINES:
        return parted
    gaps = [np.stack([np.maximum.accumulate(line[:-1, 2]), line[1:, 0]], axis=1) for line in lines]
    reach = np.array([(line[0, 0], line[:, 2].max()) for line in lines])
    found = np.concatenate([gap[part] for gap, part in zip(gaps, parted, strict=True)])
    owners = np.repeat(np.arange(len(lines)), [part.sum() for part in parted])
    result = []
    for place, (gap, part) in enumerate(zip(gaps, parted, strict=True)):
        others = owners != place
        there = np.delete(reach, place, axis=0)
        result.append(parted_by_columns(gap, part, (found[others], owners[others]), there, usual))
    return result


def parted_by_columns(
    gaps: NDArray[np.float64],
    parted: Mask,
    others: tuple[NDArray[np.float64], NDArray[np.intp]],
    reach: NDArray[np.float64],
    usual: float,
) -> Mask:
    """Return which `gaps` of a line, start and end, part two numbers, `parted` among them.

    `others` are the gaps that part numbers of other lines, and the line of each; `reach` is where
    those lines start and end. A gap between columns parts a line only once, where it is widest.
    """
    found, owners = others
    result = parted.copy()
    wide = np.diff(gaps, axis=1)[:, 0]
    free = np.ones(len(found), bool)
    for gap in gaps[parted]:
        free &= ~meets(found, gap)
    for place in np.argsort(-wide, kind="stable").tolist():
        if parted[place] or wide[place] < COLUMN_GAP * usual:
            continue
        middle = gaps[place].mean()
        there = ((reach[:, 0] < middle) & (middle < reach[:, 1])).sum()
        covering = free & (found[:, 0] < middle) & (middle < found[:, 1])
        if len(np.unique(owners[covering])) >= max(COLUMN_LINES, COLUMN_SHARE * there):
            result[place] = True
            free &= ~meets(found, gaps[place])
    return result


def meets(gaps: NDArray[np.float64], gap: NDArray[np.float64]) -> Mask:
    """Return which `gaps`, start and end each, have a part of `gap` in them."""
    return np.asarray((gaps[:, 0] < gap[1]) & (gap[0] < gaps[:, 1]))


def text_numbers(boxes: Boxes, usual: float) -> list[list[Group]]:
    """Return the numbers in free text: lines from the top, numbers from the left, their components.

    Dots, commas and dashes near a number are among its components; what is near none is left out.
    """
    mains = mains_of(boxes, usual)
    if not mains.size:
        return []
    members = mains
    pieces, hulls, lines = pieces_in_lines(boxes, members, usual)
    if len(lines) == 1:
        members = np.union1d(mains, dashes_of(boxes, usual))
        pieces, hulls, lines = pieces_in_lines(boxes, members, usual)
    small = boxes[dots_of(boxes, members, usual)]
    gaps = [gaps_in(hulls[line], small) for line in lines]
    least = parting_gap(np.concatenate(gaps), usual, alone=len(lines) == 1)
    parted = with_columns([hulls[line] for line in lines], [gap >= least for gap in gaps], usual)
    is_main = np.zeros(len(boxes), bool)
    is_main[mains] = True
    rows = []
    for line, part in zip(lines, parted, strict=True):
        numbers = np.split(line, np.flatnonzero(part) + 1)
        parts = [np.concatenate([pieces[i] for i in one]) for one in numbers]
        rows.append([part for part in parts if is_main[part].any()])
    rows = without_overlaps(rows, boxes)
    return with_small_parts([row for row in rows if row], boxes, members, usual)


def without_overlaps(rows: list[list[Group]], boxes: Boxes) -> list[list[Group]]:
    """Return the numbers with those made one whose boxes overlap by much of the smaller box."""
    places = [(row, number) for row, line in enumerate(rows) for number in line]
    merged: list[tuple[int, Group]] = []
    hulls = np.zeros((len(places), 4))
    boxes_of = hulls_of(boxes, [number for _, number in places])
    for (row, number), box in zip(places, boxes_of, strict=True):
        others = hulls[: len(merged)]
        sides = np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2])
        area = np.prod(np.maximum(sides, 0), axis=1)
        least = np.minimum(
            np.prod(others[:, 2:] - others[:, :2], axis=1), np.prod(box[2:] - box[:2])
        )
        share = area / np.maximum(least, 1)
        place = int(share.argmax()) if merged else 0
        if merged and share[place] > OVERLAP:
            merged[place] = (merged[place][0], np.concatenate([merged[place][1], number]))
            hulls[place] = hull(np.stack([hulls[place], box]))
        else:
            hulls[len(merged)] = box
            merged.append((row, number))
    return [[number for row, number in merged if row == wanted] for wanted in range(len(rows))]


def pieces_in_lines(
    boxes: Boxes, members: Group, usual: float
) -> tuple[list[Group], Boxes, list[Group]]:
    """Return the digits among `members`, the components of each, their boxes, and their lines."""
    pieces = [members[piece] for piece in joined_pieces(boxes[members], usual)]
    hulls = hulls_of(boxes, pieces)
    return pieces, hulls, lines_of(hulls, usual, slope_of(hulls, usual))


def dots_of(boxes: Boxes, members: Group, usual: float) -> Group:
    """Return which components, none of `members`, may be a dot or comma between digits."""
    size = boxes[:, 2:] - boxes[:, :2]
    sound = (size.min(axis=1) >= DOT * usual) & (size[:, 0] < DASH[0] * usual)
    return np.setdiff1d(np.flatnonzero(sound), members)


def dashes_of(boxes: Boxes, usual: float) -> Group:
    """Return which components may be a dash between digits."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    wide = (width >= DASH[0] * usual) & (width <= DASH[1] * usual)
    return np.flatnonzero(wide & (height < MAIN * usual) & (width > height))


def with_small_parts(
    rows: list[list[Group]], boxes: Boxes, members: Group, usual: float
) -> list[list[Group]]:
    """Return the numbers with the small components, none of `members`, that lie near them."""
    height = boxes[:, 3] - boxes[:, 1]
    small = np.setdiff1d(np.flatnonzero(height < MAIN * usual), members)
    if not small.size:
        return rows
    hulls = hulls_of(boxes, [number for line in rows for number in line])
    x = (boxes[small, 0] + boxes[small, 2])[:, None] / 2
    y = (boxes[small, 1] + boxes[small, 3])[:, None] / 2
    across = np.maximum(np.maximum(hulls[:, 0] - x, x - hulls[:, 2]), 0) / REACH_X
    down = np.maximum(np.maximum(hulls[:, 1] - y, y - hulls[:, 3]), 0) / REACH_Y
    away = np.maximum(across, down)
    nearest = away.argmin(axis=1)
    near = away[np.arange(len(small)), nearest] <= usual
    found = iter([small[near & (nearest == place)] for place in range(len(hulls))])
    return [[np.concatenate([one, next(found)]) for one in line] for line in rows]
