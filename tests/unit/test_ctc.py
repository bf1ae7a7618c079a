from __future__ import annotations

from collections import defaultdict
from itertools import groupby, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.errors import InvalidData, UsageError
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.ctc import Candidate, Span, align, decode

BLANK = 11
ALPHABET = (1, 3, 7, BLANK)
View = NDArray[np.float32]

seeds = st.integers(0, 2**32 - 1)
sharpness = st.sampled_from([0.1, 0.5, 1.0, 5.0])
few_steps = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def random_view(rng: np.random.Generator, steps: int, flatness: float) -> View:
    view = np.zeros((steps, 12), np.float32)
    view[:, ALPHABET] = rng.dirichlet([flatness] * len(ALPHABET), steps)
    return view


def random_views(seed: int, lengths: list[int], flatness: float) -> list[View]:
    rng = np.random.default_rng(seed)
    return [random_view(rng, steps, flatness) for steps in lengths]


def peaks(text: str, spacing: int = 6, sure: float = 0.99) -> View:
    """A view that shows each digit at one step, well apart, and blanks between."""
    view = np.full((spacing * (len(text) + 1), 12), 1e-6, np.float32)
    view[:, BLANK] = 1
    for place, digit in enumerate(text, 1):
        view[place * spacing] = (1 - sure) / 11
        view[place * spacing, int(digit)] = sure
    return view / view.sum(axis=1, keepdims=True)


def read(path: tuple[int, ...]) -> str:
    return "".join(str(label) for label, _ in groupby(path) if label != BLANK)


def by_brute_force(views: list[View]) -> dict[str, float]:
    """The probability of every text, summed over all paths and averaged over the views."""
    texts: dict[str, float] = defaultdict(float)
    for view in views:
        rows = view.astype(float) / view.sum(axis=1, keepdims=True, dtype=float)
        for path in product(ALPHABET, repeat=len(view)):
            texts[read(path)] += float(rows[range(len(view)), path].prod()) / len(views)
    return texts


@settings(max_examples=60, deadline=None)
@given(seeds, few_steps, sharpness)
def test_probabilities_and_order_agree_with_all_paths(
    seed: int, lengths: list[int], flatness: float
) -> None:
    views = random_views(seed, lengths, flatness)
    truth = by_brute_force(views)
    found = decode(views, top=8)
    best = sorted(truth.values(), reverse=True)[:8]
    assert [one.probability for one in found] == pytest.approx(best[: len(found)], abs=1e-9)
    assert len(found) == 8 or sum(best[len(found) :]) < 1e-9
    for candidate in found:
        assert candidate.probability == pytest.approx(truth[candidate.text], abs=1e-9)
        assert candidate.conditional == candidate.probability
    assert sum(one.probability for one in found) <= 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(
    seeds,
    few_steps,
    sharpness,
    st.sampled_from(
        [
            Constraints(length=1),
            Constraints(length=3),
            Constraints(pattern="3*7"),
            Constraints(pattern="(1[37])?"),
            Constraints(max=31, min=4),
            Constraints(checksum="luhn"),
            Constraints(checksum="damm", pattern=".*3"),
        ]
    ),
)
def test_constraints_give_the_most_probable_accepted_text(
    seed: int, lengths: list[int], flatness: float, constraints: Constraints
) -> None:
    views = random_views(seed, lengths, flatness)
    accepted = {t: p for t, p in by_brute_force(views).items() if constraints.accepts(t)}
    found = decode(views, top=2, constraints=constraints)
    best = sorted(accepted.values(), reverse=True)[:2]
    assert [one.probability for one in found] == pytest.approx(best[: len(found)], abs=1e-9)
    assert len(found) == min(2, len(accepted)) or sum(best[len(found) :]) < 1e-9
    for candidate in found:
        assert constraints.accepts(candidate.text)
        share = accepted[candidate.text] / sum(accepted.values())
        assert candidate.probability - 1e-9 <= candidate.conditional <= 1
        # What was not looked into counts against it; with a checksum, the usual share of it.
        assert candidate.conditional <= share + (1e-6 if constraints.checksum is None else 0.1)


def test_the_conditional_probability_comes_close_where_little_is_left() -> None:
    view = peaks("4539", sure=0.6)
    free = decode([view])[0]
    assert free.text == "4539"
    bound = decode([view], constraints=Constraints(pattern="4539|4538"))
    assert bound[0].probability == pytest.approx(free.probability)
    assert bound[0].conditional == pytest.approx(0.6 / (0.6 + 0.04), rel=0.05)


def test_a_repeated_digit_needs_a_blank_between() -> None:
    view = np.zeros((2, 12), np.float32)
    view[:, 1] = 1
    assert decode([view]) == [Candidate("1", 1.0, 1.0, 0, 1.0)]
    view = np.insert(view, 1, np.eye(12, dtype=np.float32)[BLANK], axis=0)
    assert decode([view]) == [Candidate("11", 1.0, 1.0, 0, 1.0)]
    assert decode([peaks("1100")])[0].text == "1100"


def test_no_number_is_the_empty_text() -> None:
    view = np.zeros((20, 12), np.float32)
    view[:, BLANK] = 1
    assert decode([view], top=3) == [Candidate("", 1.0, 1.0, 0, 1.0)]
    assert align(view, "") == []
    assert decode([view], constraints=Constraints(length=2)) == []


def test_views_of_different_length_are_averaged_and_the_best_is_named() -> None:
    views = [peaks("2348", 4, 0.7), peaks("2348", 9, 0.99), peaks("2343", 7, 0.9)]
    found = decode(views, top=2)
    assert [one.text for one in found] == ["2348", "2343"]
    assert [one.view for one in found] == [1, 2]
    for candidate in found:
        only = Constraints(pattern=candidate.text)
        each = [decode([view], constraints=only)[0].probability for view in views]
        assert candidate.probability == pytest.approx(sum(each) / 3)


def test_a_long_number_is_read_whole_and_an_unclear_one_to_its_end() -> None:
    text = "4539578763621486" * 2
    assert decode([peaks(text, 8)])[0].text == text
    unclear = peaks(text, 8, 0.5)
    for place, digit in enumerate(text, 1):
        unclear[8 * place] = 0
        unclear[8 * place, [int(digit), (int(digit) + 5) % 10]] = 0.51, 0.49
    found = decode([unclear] * 3)[0].text
    assert len(found) == len(text)
    assert all((int(a) - int(b)) % 5 == 0 for a, b in zip(found, text, strict=True))


@pytest.mark.parametrize("flatness", [0.3, 1.0, 50.0])
def test_noise_ends_with_some_text_and_constraints_hold_even_there(flatness: float) -> None:
    rng = np.random.default_rng(4)
    views = [rng.dirichlet([flatness] * 12, 96).astype(np.float32) for _ in range(2)]
    assert decode(views)[0].probability < 0.1
    for constraints in (Constraints(length=5), Constraints(checksum="luhn", pattern=r"\d*7")):
        for candidate in decode(views, 3, constraints):
            assert constraints.accepts(candidate.text)


def test_a_wrong_digit_is_mended_by_the_checksum() -> None:
    view = peaks("4539578763621487", sure=0.98)
    view[6 * 16, [6, 7]] = 0.4, 0.58
    assert decode([view])[0].text == "4539578763621487"
    mended = decode([view], constraints=Constraints(checksum="luhn", length=16))[0]
    assert mended.text == "4539578763621486"
    assert mended.probability < 0.4 < mended.conditional


@pytest.mark.parametrize("length", [2, 3, 5, 7])
def test_another_length_than_the_obvious_is_found(length: int) -> None:
    found = decode([peaks("2348")], constraints=Constraints(length=length))
    assert len(found[0].text) == length
    assert found[0].probability < 0.02


def test_what_cannot_be_decoded_is_refused() -> None:
    view = peaks("12")
    for views in ([], [view[:0]], [view[:, :10]], [view.tolist()], [view[0]]):
        with pytest.raises(InvalidData):
            decode(views)  # type: ignore[arg-type]
    for wrong in (-view, 3 * view, view * np.float32("nan")):
        with pytest.raises(InvalidData, match="sum to 1"):
            decode([view, wrong])
    with pytest.raises(UsageError, match="top must be at least 1, got 0"):
        decode([view], top=0)


def test_a_pattern_that_turns_out_slow_ends_as_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkdigits.reading.ctc.SEARCH_SECONDS", 0.0)
    with pytest.raises(UsageError, match="takes too long"):
        decode([peaks("2348")], constraints=Constraints(pattern=r"\d{4}"))


def best_path(view: View, text: str) -> float:
    paths = (path for path in product(ALPHABET, repeat=len(view)) if read(path) == text)
    return max(float(view[range(len(view)), path].prod()) for path in paths)


def path_of(spans: list[Span], text: str, steps: int) -> list[int]:
    path = [BLANK] * steps
    for span, digit in zip(spans, text, strict=True):
        path[span.first : span.last + 1] = [int(digit)] * (span.last - span.first + 1)
    return path


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 6), sharpness)
def test_alignments_are_the_best_and_in_order(seed: int, steps: int, flatness: float) -> None:
    view = random_view(np.random.default_rng(seed), steps, flatness)
    for candidate in decode([view], top=4):
        spans = align(view, candidate.text)
        assert all(0 <= span.first <= span.last < steps for span in spans)
        assert all(one.last < other.first for one, other in pairwise(spans))
        assert all(0 <= span.confidence <= 1 for span in spans)
        path = path_of(spans, candidate.text, steps)
        assert read(tuple(path)) == candidate.text
        reached = float(view[range(steps), path].prod())
        assert reached == pytest.approx(best_path(view, candidate.text), rel=1e-4)


def test_a_digit_is_as_sure_as_its_place() -> None:
    view = peaks("2348")
    view[18] = 0
    view[18, [4, 9]] = 0.7, 0.3
    spans = align(view, "2348")
    assert [(span.first, span.last) for span in spans] == [(6, 6), (12, 12), (18, 18), (24, 24)]
    assert [span.confidence for span in spans] == pytest.approx([0.99, 0.99, 0.7, 0.99], abs=2e-3)


def test_a_digit_smeared_over_two_steps_is_no_less_sure() -> None:
    view = peaks("58")
    for step, digit in ((6, 5), (7, 5), (12, 8), (13, 8)):
        view[step] = 0
        view[step, [digit, BLANK]] = 0.5, 0.5
    assert [one.confidence for one in align(view, "58")] == pytest.approx([0.75] * 2, abs=1e-3)


def test_what_cannot_be_aligned_is_refused() -> None:
    view = peaks("12")
    with pytest.raises(InvalidData, match="'11' needs 3 steps, got a view of 2"):
        align(view[:2], "11")
    with pytest.raises(InvalidData, match="only digits"):
        align(view, "1a")
    with pytest.raises(InvalidData, match="must be an array"):
        align(view[:, 1:], "1")
