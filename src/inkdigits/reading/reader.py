"""Reader: an image in, a reading out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.artefact.selective import Selection, choose
from inkdigits.errors import InputError, UsageError
from inkdigits.imaging.decode import DEFAULT_LIMITS, Grey, Limits, Page, Source, decode_pages
from inkdigits.imaging.line import (
    Place,
    find_closely,
    find_from_afar,
    find_number,
    has_room,
    stands_alone,
)
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.ctc import decode
from inkdigits.reading.digit import Model, SeenDigit, see_digit, see_digits
from inkdigits.reading.models import Given, digit_loader, load_line_model, sort_model
from inkdigits.reading.number import (
    SeenNumber,
    is_number,
    may_be_digit,
    see_numbers,
)
from inkdigits.reading.result import Box, Number, Reading, Reason
from inkdigits.reading.summary import error_reading, moved, name_of, on_page, summary
from inkdigits.reading.trust import LOOKED_AT
from inkdigits.reading.verdict import Judge

Layout: TypeAlias = Literal["auto", "digit", "line", "page"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
DOUBTED = 8
"""So many are looked at where the best one is no number, to learn how probably it is one."""
TOGETHER = 8
"""So many numbers of a page are looked at together: the network gains by it, and of several threads
one runs it while another has Python. More gain nothing."""


@dataclass(frozen=True)
class Seen:
    """One place of a page and what was seen there.

    `box` is left, top, width, height of the part that was looked at. `digit` and `number` are None
    where nobody looked for one; `verdict` is the number that was read there, or why none was.
    """

    box: Box
    digit: SeenDigit | None
    number: SeenNumber | None
    verdict: Number | Reason


@dataclass(frozen=True)
class Stages:
    """Every stage of one reading, to be shown: the decoded page, its places, the reading.

    Of several pages it is the first.
    """

    grey: Grey
    layout: Layout
    seen: tuple[Seen, ...]
    reading: Reading


class Reader:
    """Reads the handwritten digits and numbers in an image.

    `model` is a path, the bytes of an artefact, a loaded model, or None for the bundled ones; it
    may read single digits or whole numbers, the bundled one does the other. `threads` is how many
    threads one prediction may use; `limits` bound each image. `layout` says what an image holds:
    one digit, one number (`line`), a page of them, or `auto` to find out; with a model of your own
    that reads single digits, `auto` is `digit`. `constraints` are what every number must fulfil;
    `top` is how many texts are told of each; the numbers of a page are read on so many threads
    `at_once`, each with `threads` for its predictions. `target_error` (0–1) sets the threshold
    below which a reading is rejected so that, on val, no larger share of the accepted ones is
    wrong, and lets every number be looked at in all ways, whose agreement counts; None takes the
    threshold that a model carries. Raises ModelRefused when a model cannot be used, UsageError for
    other arguments out of range. Load it once; it is safe to share between threads.
    """

    def __init__(
        self,
        model: Given = None,
        threads: int = 1,
        limits: Limits = DEFAULT_LIMITS,
        target_error: float | None = None,
        layout: Layout = "auto",
        constraints: Constraints | None = None,
        top: int = 1,
        at_once: int = 1,
    ) -> None:
        check_options(layout, top)
        if at_once < 1:
            raise UsageError(f"at_once must be at least 1, got {at_once}.")
        digit_model, line_model = sort_model(model, threads)
        if layout == "auto" and digit_model is not None:
            layout = "digit"
        self._layout, self._top, self._limits = layout, top, limits
        self._at_once = at_once
        # Those that demand nothing are none: the search is shorter then.
        self._constraints = None if constraints == Constraints() else constraints
        # Loaded when it is first asked: most numbers are read without it.
        self._load_digit_model = digit_loader(digit_model, threads)
        self._line_model = line_model
        if layout != "digit" and line_model is None:
            self._line_model = load_line_model(threads)
        self._digit_selection = self._select_digits(target_error)
        self._line_selection = None
        if self._line_model is not None:
            self._line_selection = select(self._line_model.metadata, target_error)

    def with_options(
        self,
        layout: Layout,
        constraints: Constraints | None = None,
        top: int = 1,
        target_error: float | None = None,
    ) -> Reader:
        """Return a reader with the same models and limits that reads otherwise.

        A reader of single digits stays one. Raises UsageError as `Reader` does.
        """
        check_options(layout, top)
        other = copy(self)
        other._layout = layout if self._line_model is not None else "digit"
        other._constraints = None if constraints == Constraints() else constraints
        other._top = top
        other._digit_selection = self._select_digits(target_error)
        other._line_selection = None
        if self._line_model is not None and other._layout != "digit":
            other._line_selection = select(self._line_model.metadata, target_error)
        return other

    @property
    def _digit_model(self) -> Model:
        """The model for single digits; a reader with other options shares it."""
        return self._load_digit_model()

    @property
    def _verdict(self) -> Judge:
        """What decides, by this reader's options, what was read."""
        line = self._line_model
        return Judge(
            self._constraints,
            self._top,
            self._careful,
            lambda: self._digit_model.metadata,
            line.metadata if line is not None else None,
            self._digit_selection,
            self._line_selection,
        )

    @property
    def _careful(self) -> bool:
        """Whether every number is looked at in all ways: where a target error was asked for."""
        return self._line_selection is not None

    def _select_digits(self, target_error: float | None) -> Selection | None:
        """Return what is chosen for `target_error` where single digits are read."""
        return None if target_error is None else select(self._digit_model.metadata, target_error)

    @property
    def metadata(self) -> Metadata:
        """What the model says about itself that reads the layout."""
        return self._line_model.metadata if self._line_model else self._digit_model.metadata

    @property
    def selection(self) -> Selection | None:
        """What was chosen for `target_error` and what it costs on val; None without a target."""
        return self._line_selection or self._digit_selection

    @property
    def reject_threshold(self) -> float:
        """The confidence 0–1 below which a reading of the layout is rejected as unsure."""
        return self.selection.threshold if self.selection else self.metadata.reject_threshold

    def read(self, source: Source, name: str | None = None) -> Reading:
        """Read what `source` shows: a path, bytes, a Pillow image or an array (see `decode`).

        `name` is how the reading calls the image. Raises UnreadableImage when it is no image.
        """
        pages = [self._look(page, self._top) for page in self._pages(source)]
        return self._summary(name_of(source, name), pages)

    def _summary(self, name: str, pages: Sequence[Sequence[Seen]]) -> Reading:
        """Return the reading of an image from what was seen on its pages."""
        verdicts = [
            seen.verdict if len(pages) == 1 else on_page(seen.verdict, number)
            for number, page in enumerate(pages, start=1)
            for seen in page
        ]
        return summary(name, verdicts)

    def read_or_error(self, source: Source, name: str | None = None) -> Reading:
        """Like `read`, but an unusable image becomes a reading with status `error`."""
        try:
            return self.read(source, name)
        except InputError as error:
            return error_reading(name_of(source, name), error)

    def read_together(self, sources: Sequence[tuple[Source, str]]) -> list[Reading]:
        """Return what `read_or_error` says of each source, given with its name.

        Single digits are told apart by one run of the network.
        """
        if self._layout != "digit" or len(sources) < 2:
            return [self.read_or_error(source, name) for source, name in sources]
        pages = [self._pages_or_error(source, name) for source, name in sources]
        greys = [page.grey for found in pages if isinstance(found, list) for page in found]
        seen = iter(see_digits(greys, self._digit_model))
        return [
            found
            if isinstance(found, Reading)
            else self._summary(name, [[self._seen_digit(page, next(seen))] for page in found])
            for found, (_, name) in zip(pages, sources, strict=True)
        ]

    def _pages_or_error(self, source: Source, name: str) -> list[Page] | Reading:
        """Return the pages of `source`, or the reading that says why it has none."""
        try:
            return list(self._pages(source))
        except InputError as error:
            return error_reading(name, error)

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, 10) for framed images, uint8 (N, 28, 28), ink bright.

        Raises InvalidData on any other dtype or shape.
        """
        return self._digit_model.predict_proba(images)

    def stages(self, source: Source, name: str | None = None) -> Stages:
        """Read the first page of `source` and return every stage; raises UnreadableImage."""
        page = next(self._pages(source))
        seen = self._look(page, max(self._top, LOOKED_AT))
        reading = summary(name_of(source, name), [place.verdict for place in seen])
        return Stages(page.grey, self._layout, seen, reading)

    def _pages(self, source: Source) -> Iterator[Page]:
        """Yield the pages of `source`."""
        return decode_pages(source, self._limits)

    def _look(self, page: Page, top: int) -> tuple[Seen, ...]:
        """Return what is seen at each place of a page, in reading order: `top` candidates each."""
        if self._layout == "digit" or self._line_model is None:
            return (self._seen_digit(page, see_digit(page.grey, self._digit_model)),)
        if self._layout == "line":
            place = find_number(page.grey)
            return (self._look_at(page.grey, whole_of(page), place, top),)
        if self._layout == "auto":
            return self._look_at_one_or_each(page, top)
        return self._look_at_each(page.grey, boxes_on(page.grey), top)

    def _look_at_one_or_each(self, page: Page, top: int) -> tuple[Seen, ...]:
        """Read a page of one number, or of many."""
        grey = page.grey
        afar, place = find_from_afar(grey), None
        # A closer look at a page full of numbers takes longer than parting it.
        if afar is not None and not has_room(afar, grey.shape):
            place = find_closely(grey, afar)
        if place is None or not stands_alone(place, grey.shape):
            boxes = boxes_on(grey)
            if len(boxes) > 1:
                return self._look_at_each(grey, boxes, top)
        if place is None and afar is not None:
            place = find_closely(grey, afar)
        return (self._look_at(grey, whole_of(page), place, top),)

    def _look_at_each(self, page: Grey, boxes: Sequence[Box], top: int) -> tuple[Seen, ...]:
        """Read the one digit or number within each of `boxes`, several together on each thread."""
        # As wide ones together: the network looks at them in one run.
        order = sorted(range(len(boxes)), key=lambda index: boxes[index][2])
        size = min(TOGETHER, -(-len(order) // self._at_once))
        lots = [order[start : start + size] for start in range(0, len(order), max(size, 1))]
        within = [[boxes[index] for index in lot] for lot in lots]
        if self._at_once == 1:
            found = [self._look_within(page, lot, top) for lot in within]
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(self._at_once) as pool:
                found = list(pool.map(lambda lot: self._look_within(page, lot, top), within))
        seen = dict(zip(order, (one for lot in found for one in lot), strict=True))
        return tuple(seen[index] for index in range(len(boxes)))

    def _seen_digit(self, page: Page, digit: SeenDigit) -> Seen:
        """Return what is seen on a page that holds one digit."""
        return Seen(whole_of(page), digit, None, self._verdict.of_digit(digit))

    def _look_within(self, page: Grey, boxes: Sequence[Box], top: int) -> list[Seen]:
        """Read the one digit or number within each of `boxes`, together."""
        greys = [np.ascontiguousarray(page[y : y + h, x : x + w]) for x, y, w, h in boxes]
        numbers = self._see([find_number(grey) for grey in greys], top)
        return [
            self._moved(grey, box, number, top)
            for grey, box, number in zip(greys, boxes, numbers, strict=True)
        ]

    def _moved(self, grey: Grey, box: Box, number: SeenNumber | None, top: int) -> Seen:
        """Judge what is on `grey`, the part of a page within `box`, and say where it is there."""
        seen = self._judge(grey, box, number, top)
        if not isinstance(seen.verdict, Number):
            return seen
        return replace(seen, verdict=moved(seen.verdict, *box[:2]))

    def _look_at(self, grey: Grey, box: Box, place: Place | None, top: int) -> Seen:
        """Read the one digit or number on `grey`, which `box` is the place of, found at `place`."""
        return self._judge(grey, box, self._see([place], top)[0], top)

    def _see(self, places: Sequence[Place | None], top: int) -> list[SeenNumber | None]:
        """Return what is seen of the number at each of `places`."""
        if self._line_model is None:
            return [None] * len(places)
        return see_numbers(
            places, self._line_model, self._constraints, self._wanted(top), self._careful
        )

    def _wanted(self, top: int) -> int:
        """Return how many candidates are looked for where `top` are to be told."""
        # Others tell the share of all accepted texts, and how near the next best number comes.
        alone = self._constraints is None and not self._careful
        return top if alone else max(top, LOOKED_AT)

    def _judge(self, grey: Grey, box: Box, number: SeenNumber | None, top: int) -> Seen:
        """Return the reading of what was seen on `grey`, which `box` is the place of."""
        wanted = self._wanted(top)
        if number is None:
            return Seen(box, None, None, "blank")
        if self._layout == "line" or not may_be_digit(number.candidates):
            if number.candidates and not is_number(number.candidates[0]):
                candidates = decode(list(number.steps), max(wanted, DOUBTED), self._constraints)
                number = replace(number, candidates=tuple(candidates))
            return Seen(box, None, number, self._verdict.of_number(number))
        if wanted < LOOKED_AT:
            candidates = decode(list(number.steps), LOOKED_AT, self._constraints)
            number = replace(number, candidates=tuple(candidates))
        digit = see_digit(grey, self._digit_model)
        return Seen(box, digit, number, self._verdict.of_single(digit, number))


def boxes_on(page: Grey) -> list[Box]:
    """Return the boxes of the numbers on a page, in reading order."""
    from inkdigits.imaging.segment import segment  # not needed for single numbers

    return [region.box for region in segment(page)]


def whole_of(page: Page) -> Box:
    """Return the box of a whole page."""
    return 0, 0, page.grey.shape[1], page.grey.shape[0]


def check_options(layout: Layout, top: int) -> None:
    """Raise UsageError for an unknown layout or a `top` below 1."""
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout!r}.", f"Choose one of: {', '.join(LAYOUTS)}.")
    if top < 1:
        raise UsageError(f"top must be at least 1, got {top}.")


def select(metadata: Metadata, target_error: float | None) -> Selection | None:
    """Return the choice for `target_error` on the model's val, None without one; UsageError."""
    if target_error is None:
        return None
    return choose(metadata.val_curve, metadata.val_n, target_error)
