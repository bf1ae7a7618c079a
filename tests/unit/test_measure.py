import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix

from inkdigits.artefact.selective import wilson_interval
from inkdigits.errors import InvalidData, UsageError
from inkdigits.evaluation.measure import evaluation_dict, measure, refuse_perfect, text_report


def certain(predictions, confidence=0.91):
    """Rows that put `confidence` on each prediction and share the rest among the other digits."""
    rows = np.full((len(predictions), 10), (1 - confidence) / 9)
    rows[np.arange(len(predictions)), predictions] = confidence
    return rows


def random_split(n, seed=0):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(10, 0.3), n), random.integers(0, 10, n)


def test_rows_of_the_confusion_matrix_are_the_true_digits():
    measurement = measure(certain([9, 9, 4]), np.array([4, 4, 4]))
    assert measurement.confusion_matrix[4][9] == 2
    assert measurement.confusion_matrix[9][4] == 0
    assert measurement.confused_pairs == [{"true": 4, "predicted": 9, "count": 2}]
    assert measurement.wrong == 2


def test_scores_are_those_of_scikit_learn():
    probabilities, labels = random_split(500)
    predictions = probabilities.argmax(axis=1)
    measurement = measure(probabilities, labels)
    assert measurement.confusion_matrix == confusion_matrix(labels, predictions).tolist()
    assert text_report(measurement) == classification_report(labels, predictions, digits=2)
    assert measurement.macro["support"] == measurement.n == 500


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30),
    st.integers(1, 10),
)
def test_scores_are_those_of_scikit_learn_whatever_is_missing(pairs, kinds):
    labels, predictions = (np.array(side) % kinds for side in zip(*pairs, strict=True))
    measurement = measure(certain(predictions), labels)
    wanted = classification_report(labels, predictions, output_dict=True, zero_division=0)
    found = {"macro avg": measurement.macro, "weighted avg": measurement.weighted}
    found |= {digit: measurement.per_digit[digit] for digit in wanted if digit.isdigit()}
    for name, scores in found.items():
        for mine, theirs in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
            assert scores[mine] == pytest.approx(wanted[name][theirs]), (name, mine)
        assert scores["support"] == wanted[name]["support"]
    absent = set(map(str, range(10))) - wanted.keys()
    assert all(measurement.per_digit[digit]["accuracy"] is None for digit in absent)


def test_ece_of_a_hand_made_case():
    # Bin (14/15, 1]: 3 examples at 0.96, 2 right; bin (8/15, 9/15]: 2 examples at 0.55, none right.
    rows = np.vstack([certain([1, 2, 3], 0.96), certain([4, 5], 0.55)])
    measurement = measure(rows, np.array([1, 2, 0, 0, 0]))
    assert measurement.ece == pytest.approx(3 / 5 * abs(0.96 - 2 / 3) + 2 / 5 * 0.55)
    filled = [part for part in measurement.reliability if part["count"]]
    assert [part["count"] for part in filled] == [2, 3]
    assert [part["accuracy"] for part in filled] == pytest.approx([0, 2 / 3])
    assert [part["confidence"] for part in filled] == pytest.approx([0.55, 0.96])
    assert measurement.reliability[0]["confidence"] is None


def test_full_confidence_belongs_to_the_last_bin():
    measurement = measure(certain([3, 4], 1.0), np.array([3, 5]))
    assert len(measurement.reliability) == 15
    assert measurement.reliability[-1]["count"] == 2
    assert measurement.ece == pytest.approx(0.5)


@pytest.mark.parametrize(("right", "n"), [(9787, 10_000), (0, 7), (7, 7), (1, 2), (352, 360)])
def test_wilson_interval_is_that_of_scipy(right, n):
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_of_the_published_accuracy():
    assert wilson_interval(9787, 10_000) == pytest.approx((0.975681, 0.981351), abs=5e-7)


def test_loss_is_the_mean_cross_entropy_clipped_as_keras_does():
    rows = np.vstack([certain([2], 0.5), certain([7], 1.0)])
    expected = (-math.log(0.5) - math.log(1e-7)) / 2
    assert measure(rows, np.array([2, 3])).loss == pytest.approx(expected)


def test_a_digit_without_examples_keeps_its_place():
    measurement = measure(certain([0, 1, 8]), np.array([0, 1, 1]))
    assert list(measurement.per_digit) == [str(digit) for digit in range(10)]
    assert measurement.per_digit["5"] == {
        "precision": 0, "recall": 0, "f1": 0, "support": 0, "accuracy": None
    }  # fmt: skip
    assert measurement.per_digit["8"]["accuracy"] is None
    assert measurement.per_digit["1"]["accuracy"] == 0.5
    # Macro averages over 0, 1 and 8, the digits that occur: as scikit-learn does.
    assert measurement.macro["recall"] == pytest.approx(0.5)
    assert np.shape(measurement.confusion_matrix) == (10, 10)


@pytest.mark.parametrize(
    ("probabilities", "labels", "says"),
    [
        (np.full((3, 9), 1 / 9), np.zeros(3, int), r"float \(N, 10\), got float64 \(3, 9\)"),
        (np.full(10, 0.1), np.zeros(1, int), r"got float64 \(10,\)"),
        (np.eye(10, dtype=np.uint8), np.arange(10), "got uint8"),
        (np.empty((0, 10)), np.zeros(0, int), "no example"),
        (np.full((2, 10), np.nan), np.zeros(2, int), "2 of 2 rows"),
        (certain([1, 2]) * [[1], [np.inf]], np.zeros(2, int), "1 of 2 rows"),
        (np.linspace(-3, 9, 20).reshape(2, 10), np.zeros(2, int), "logits"),
        (np.full((2, 10), 0.2), np.zeros(2, int), "sum of 2"),
        (certain([1, 2]), np.zeros(3, int), r"integer \(2,\).*got int64 \(3,\)"),
        (certain([1, 2]), np.zeros((2, 10), int), r"got int64 \(2, 10\)"),
        (certain([1, 2]), np.zeros(2), "got float64"),
        (certain([1, 2]), np.array([0, 10]), "got 0 to 10"),
        (certain([1, 2]), np.array([-1, 0]), "got -1 to 0"),
    ],
)
def test_refuses_what_it_cannot_measure(probabilities, labels, says):
    with pytest.raises(InvalidData, match=says):
        measure(probabilities, labels)


def test_half_precision_probabilities_are_measured():
    probabilities, labels = random_split(100)
    half = measure(probabilities.astype(np.float16), labels.astype(np.uint8))
    assert half.loss == pytest.approx(measure(probabilities, labels).loss, rel=0.05)


def test_refuses_a_suspicious_hundred_percent():
    labels = np.arange(1000) % 10
    with pytest.raises(InvalidData, match="did the test split leak into train"):
        refuse_perfect(measure(certain(labels), labels))


def test_lets_an_honest_score_and_a_small_split_pass():
    labels = np.arange(1000) % 10
    refuse_perfect(measure(certain(labels[:999]), labels[:999]))
    one_wrong = labels.copy()
    one_wrong[0] = 1
    refuse_perfect(measure(certain(one_wrong), labels))


def test_evaluation_has_test_at_the_top_and_the_gap():
    train, test = measure(*random_split(300)), measure(*random_split(200, seed=1))
    content = json.loads(json.dumps(evaluation_dict({"train": train, "val": test, "test": test})))
    assert content["gap"] == train.accuracy - test.accuracy
    assert content["train_loss"] == train.loss
    assert content["val_accuracy"] == content["test_accuracy"] == test.accuracy
    assert content["test_accuracy_interval"] == list(test.accuracy_interval)
    assert (content["n"], content["ece"]) == (200, test.ece)
    assert content["confusion_matrix"] == test.confusion_matrix
    assert set(content) >= {"per_digit", "macro", "weighted", "confused_pairs", "reliability"}
    assert not {"accuracy", "loss", "accuracy_interval"} & set(content)


def test_evaluation_of_a_bare_model_has_test_only():
    content = evaluation_dict({"test": measure(*random_split(50))})
    assert not {"gap", "train_accuracy", "val_accuracy"} & set(content)


@pytest.mark.parametrize("names", [["train"], ["test", "eval"], []])
def test_evaluation_refuses_other_splits(names):
    measurement = measure(*random_split(5))
    with pytest.raises(UsageError, match="splits"):
        evaluation_dict(dict.fromkeys(names, measurement))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 10_000))
def test_the_measures_agree_with_one_another(n, seed):
    measurement = measure(*random_split(n, seed))
    matrix = np.array(measurement.confusion_matrix)
    assert matrix.sum() == n == sum(part["count"] for part in measurement.reliability)
    assert measurement.accuracy == pytest.approx(matrix.trace() / n)
    assert measurement.wrong == n - matrix.trace()
    low, high = measurement.accuracy_interval
    assert 0 <= low <= measurement.accuracy + 1e-12
    assert measurement.accuracy <= high + 1e-12 <= 1 + 1e-12
    assert 0 <= measurement.ece <= 1
    pairs = measurement.confused_pairs
    assert [p["count"] for p in pairs] == sorted((p["count"] for p in pairs), reverse=True)
    assert all(p["count"] == matrix[p["true"], p["predicted"]] > 0 for p in pairs)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 10_000))
def test_the_order_of_the_examples_does_not_matter(n, seed):
    probabilities, labels = random_split(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    one, other = measure(probabilities, labels), measure(probabilities[order], labels[order])
    assert one.confusion_matrix == other.confusion_matrix
    assert one.per_digit == other.per_digit
    assert one.confused_pairs == other.confused_pairs
    assert (one.loss, one.ece) == pytest.approx((other.loss, other.ece))
