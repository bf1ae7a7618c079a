"""Inspect: one picture that shows every stage of a reading, of a digit, a number or a page."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
from PIL import Image

from inkdigits.imaging.arrays import Grey
from inkdigits.reading.digit_panels import digit_panels
from inkdigits.reading.number_panels import blank_panels, number_panels
from inkdigits.reading.page_panels import counted, overview_panel, strips_panel
from inkdigits.reading.panels import CONTENT, Section, compose
from inkdigits.reading.reader import Seen, Stages
from inkdigits.reading.result import Reading


def draw_stages(stages: Stages) -> Image.Image:
    """Return one RGB picture of every stage of `stages`, captioned; blank pages included.

    One place is shown stage by stage, several as a page with a strip for each of the first places.
    """
    name = PurePath(stages.reading.image).name
    if len(stages.seen) == 1:
        (seen,) = stages.seen
        return compose(verdict(stages.reading), name, place_sections(stages.grey, seen))
    overview = overview_panel(stages.grey, stages.seen)
    if not stages.seen:
        return compose(verdict(stages.reading), name, [Section("", [overview])])
    strips = strips_panel(stages.seen, max(CONTENT, overview.image.width))
    return compose(counted(stages.seen), name, [Section("", [overview, strips])])


def verdict(reading: Reading) -> str:
    """Return what was read at one place at most, or why nothing was."""
    if not reading.text:
        return f"rejected: {words(reading)}"
    text = f"{reading.text}  ({reading.confidence:.1%})"
    return f"rejected: {words(reading)}, {text}" if reading.reason else text


def words(reading: Reading) -> str:
    """Return the reason of a rejection in words."""
    return str(reading.reason).replace("_", " ")


def place_sections(page: Grey, seen: Seen) -> list[Section]:
    """Return every stage of one place of `page`, uint8 (h, w), and where it is if it is a part."""
    left, top, width, height = seen.box
    grey = np.ascontiguousarray(page[top : top + height, left : left + width])
    sections = []
    if grey.shape != page.shape:
        sections.append(Section("where it was found", [overview_panel(page, [seen])]))
    if seen.number is None and seen.digit is None:
        sections.append(Section("", blank_panels(grey)))
    if seen.number is not None:
        decides = "looked at as a number" if seen.digit is not None else ""
        sections.append(Section(decides, number_panels(grey, seen.number)))
    if seen.digit is not None:
        heading = "looked at as one digit, which decides" if seen.number is not None else ""
        sections.append(Section(heading, digit_panels(grey, seen.digit)))
    return sections
