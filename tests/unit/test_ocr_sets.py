"""What `benchmarks/ocr_peers.py` counts: a wrong count would be a wrong claim."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def sets():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import ocr_sets

        yield ocr_sets
    finally:
        sys.path.remove(str(BENCHMARKS))


def write_labels(folder: Path, *rows: str) -> None:
    folder.mkdir(parents=True)
    text = "\n".join(["file,label,note", *rows]) + "\n"
    (folder / "labels.csv").write_text(text, encoding="utf-8")


def test_numbers_and_what_is_none_are_told_apart(sets, tmp_path):
    write_labels(tmp_path / "cheques", "a.png,0123,ok", "b.png,9,doubtful", "c.png,1?,")
    write_labels(tmp_path / "numbers", "d.png,12|34,", "e.png,1+2,")
    write_labels(tmp_path / "marksheet", "f.png,3.5,", "g.png,B+,", "h.png,27,")
    write_labels(tmp_path / "photos", "i.png,dash,", "j.png,٣,")
    write_labels(tmp_path / "drawings", "k.png,4,")
    write_labels(tmp_path / "symbols", "l.png,theta,", "m.png,|,", "n.png,x,")
    found = {
        name: [(sample.path.name, sample.number) for sample in samples]
        for name, samples in sets.load_sets(tmp_path).items()
    }
    assert found == {
        "cheques": [("a.png", "0123")],
        "numbers": [],
        "marksheet": [("h.png", "27")],
        "photos": [],
        "drawings": [("k.png", "4")],
        "numbers: no numbers": [("e.png", None)],
        "marksheet: no numbers": [("f.png", None), ("g.png", None)],
        "photos: no numbers": [("i.png", None), ("j.png", None)],
        "symbols: no numbers": [("n.png", None)],
    }


def test_a_tally_keeps_errors_and_silence_apart(sets):
    said = [("12", True), ("1 2.", True), ("13", True), ("", True), ("12", False), ("abc", True)]
    samples = [sets.Sample(Path("a.png"), "12")] * len(said)
    counted = sets.tally(samples, [sets.Answer(text, 0.5, sure) for text, sure in said])
    assert (counted.n, counted.right, counted.wrong, counted.empty) == (6, 2, 1, 3)
    assert counted.right_at_all == 3


def test_only_a_whole_number_is_read_as_one(sets):
    answers = [sets.Answer(text, 0.9) for text in ("35", " 7 ", "3.5", "B+", "", "٣")]
    assert sets.read_as_number(answers) == 2
    assert sets.with_digits(answers) == 3
    assert sets.read_as_number([sets.Answer("35", 0.3, sure=False)]) == 0


def test_one_wrong_in_a_hundred_may_be_read(sets):
    right, scores = [True] * 50 + [False] + [True] * 49, list(range(100, 0, -1))
    assert sets.share_read(right, scores) == 1
    assert sets.share_read(right[:99], scores[:99]) == pytest.approx(50 / 99)


SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9])), min_size=1)


@given(SCORED)
def test_what_is_read_is_what_some_threshold_leaves(sets, scored):
    right, scores = zip(*scored, strict=True)
    taken = [[ok for ok, score in scored if score >= least] for least in (0.1, 0.5, 0.9)]
    allowed = [len(some) for some in taken if some.count(False) <= 0.01 * len(some)]
    assert sets.share_read(right, scores) == max(allowed, default=0) / len(scored)
