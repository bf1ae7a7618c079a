"""`inkdigits evaluate` with the bundled model on a small set, in this process, without Keras."""

import json
import sys
from importlib import resources

import pytest

from inkdigits.cli.main import main
from inkdigits.evaluation.corruptions import NAMES
from inkdigits.evaluation.measure import evaluation_dict, measure
from inkdigits.evaluation.model_file import predict_file

MODEL = resources.files("inkdigits") / "reading" / "assets" / "digit.onnx"


@pytest.fixture
def printed(small_folder, capsys):
    def evaluate(*options):
        code = main(["evaluate", str(MODEL), "--data", str(small_folder), *map(str, options)])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return evaluate


def test_json_holds_what_evaluation_json_holds(printed, small):
    found = json.loads(printed("--json"))
    expected = evaluation_dict(
        {"test": measure(predict_file(MODEL, small.test.images), small.test.labels)}
    )
    assert found.keys() == expected.keys() | {"model", "data"}
    assert found["selective_error_at_99"] == expected["selective_error_at_99"]
    assert [point["coverage"] for point in found["selective"]] == [0.9, 0.95, 0.99, 0.995, 1.0]
    assert "label_errors" not in found


def test_everything_at_once_as_json_and_as_a_report(printed, tmp_path):
    report = tmp_path / "report.html"
    found = json.loads(printed("--json", "--robustness", "--against", MODEL, "--report", report))
    against = found["against"]
    assert (against["difference"], against["p_value"], against["n"]) == (0, 1, 300)
    assert against["accuracy"] == found["test_accuracy"]
    assert tuple(found["robustness"]["errors"]) == NAMES
    assert found["robustness"]["ratio"] == 1
    html = report.read_text(encoding="utf-8")
    assert "Corrupted digits" in html
    assert "Against another model" in html
    assert html.count('class="digit"') == min(100, 300 - found["against"]["both_right"])


def test_text_tells_all_that_was_asked_for(printed):
    text = printed("--robustness", "--against", MODEL)
    assert "error at coverage: 90.0%" in text
    assert "exact McNemar p = 1" in text
    assert "mean of the 15" in text
    assert "known to be wrong" not in text


def test_other_data_has_no_recorded_reference_beside_it(printed):
    assert "beside" not in json.loads(printed("--json", "--robustness"))["robustness"]


def test_an_absent_other_model_is_told_before_anything_is_measured(small_folder, capsys):
    arguments = ["evaluate", str(MODEL), "--data", str(small_folder), "--against", "absent.onnx"]
    assert main(arguments) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "absent.onnx" in captured.err


def test_artefacts_need_no_keras(printed, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert printed("--json")
