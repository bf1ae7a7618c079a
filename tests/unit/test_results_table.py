import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "results_table.py"
README = "# Title\n\nbefore\n\n<!-- results -->\nold\n<!-- /results -->\n\nafter\n"


def load_script():
    spec = importlib.util.spec_from_file_location("results_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results_table = load_script()


def figure(**changes):
    plain = {"what": "an epoch", "kind": "ratio", "value": 0.25, "values": [0.24, 0.25, 0.26]}
    return plain | changes


ACCURACY = figure(
    what="test accuracy", kind="share", value=0.979, std=0.0011, values=[0.978, 0.98],
    published=0.9787, met=True,
)  # fmt: skip


@pytest.fixture
def project(tmp_path):
    records = tmp_path / "records"
    records.mkdir()
    (tmp_path / "docs").mkdir()
    for page in ("README.md", "docs/results.md"):
        (tmp_path / page).write_text(README, encoding="utf-8")

    def write(**named):
        for name, content in named.items():
            path = records / f"{name.replace('_', '-')}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    return write


def run(folder, *options):
    records, readme = folder / "records", folder / "README.md"
    paths = ["--records", str(records), "--root", str(folder)]
    return results_table.main([*options, *paths]), readme.read_text(encoding="utf-8")


def rows(readme):
    return [line for line in readme.splitlines() if line.startswith("|")][2:]


def test_table_is_written_between_the_markers(project):
    folder = project(epoch={"figures": [figure(at_most=0.28, met=True)]})
    code, readme = run(folder)
    assert code == 0
    assert readme.startswith("# Title\n\nbefore\n\n<!-- results -->\n| what | figure |")
    assert readme.endswith("|\n<!-- /results -->\n\nafter\n")
    assert rows(readme) == [
        "| an epoch | 0.250 (median of 3, 0.240 – 0.260) | at most 0.280 "
        "| [epoch.json](records/epoch.json) |"
    ]


def test_records_come_in_the_order_of_the_road_and_strangers_last(project):
    one = {"figures": [figure()]}
    _, readme = run(project(another=one, prng=one, epoch=one, accuracy_ten_epochs=one))
    links = [line.split("](records/")[1].split(".json")[0] for line in rows(readme)]
    assert links == ["accuracy-ten-epochs", "epoch", "prng", "another"]


def test_missing_and_foreign_records_have_no_row(project):
    _, readme = run(project(foreign={"scores": [1]}, listed=[1, 2]))
    assert rows(readme) == []


def test_figures_that_only_explain_stay_out_of_the_table(project):
    figures = [figure(what="kept"), figure(what="detail", in_table=False)]
    _, readme = run(project(epoch={"figures": figures}))
    assert [line.split(" | ")[0] for line in rows(readme)] == ["| kept"]


@pytest.mark.parametrize(
    ("changes", "figure_text", "beside"),
    [
        (ACCURACY, "97.90 ± 0.11 % (n = 2)", "published 97.87 %"),
        (ACCURACY | {"met": False}, "97.90 ± 0.11 % (n = 2)",
         "published 97.87 % (**not reached**)"),
        ({"value": 0.3, "values": [0.3]}, "0.300 (n = 1)", "–"),
        ({"kind": "seconds", "value": 0.0774, "values": [0.07, 12.345, 0.0774]},
         "0.0774 s (median of 3, 0.07 s – 12.3 s)", "–"),
        ({"kind": "share", "value": 0.971, "values": [0.971], "above": 0.97, "met": True},
         "97.10 % (n = 1)", "above 97.00 %"),
    ],
)  # fmt: skip
def test_figures_are_written_as_their_kind_asks(project, changes, figure_text, beside):
    _, readme = run(project(one={"figures": [figure(**changes)]}))
    cells = [cell.strip() for cell in rows(readme)[0].split(" | ")]
    assert cells[1:3] == [figure_text, beside]


def test_bars_within_a_name_do_not_break_the_table(project):
    _, readme = run(project(one={"figures": [figure(what="a | b")]}))
    assert rows(readme)[0].startswith("| a \\| b |")


def test_check_asks_for_every_promised_record(project, capsys):
    folder = project(epoch={"figures": [figure()]})
    run(folder)
    assert run(folder, "--check")[0] == 1
    assert "no record of accuracy-early-stopping" in capsys.readouterr().err


@pytest.fixture
def only_epoch_promised(monkeypatch):
    monkeypatch.setattr(results_table, "REQUIRED", ("epoch",))


@pytest.mark.usefixtures("only_epoch_promised")
def test_check_tells_whether_the_readme_is_up_to_date(project, capsys):
    folder = project(epoch={"figures": [figure()]})
    code, readme = run(folder, "--check")
    assert (code, readme) == (1, README)
    assert "out of date" in capsys.readouterr().err
    run(folder)
    assert run(folder, "--check")[0] == 0


@pytest.mark.usefixtures("only_epoch_promised")
def test_changed_record_makes_the_readme_out_of_date(project):
    folder = project(epoch={"figures": [figure()]})
    run(folder)
    project(epoch={"figures": [figure(value=0.26)]})
    assert run(folder, "--check")[0] == 1


def test_readme_without_markers_and_unknown_kind_are_errors(project, capsys):
    folder = project(epoch={"figures": [figure(kind="bits")]})
    assert run(folder)[0] == 1
    assert "'bits'" in capsys.readouterr().err
    (folder / "README.md").write_text("# no markers\n", encoding="utf-8")
    (folder / "records" / "epoch.json").unlink()
    assert run(folder) == (1, "# no markers\n")
    assert "<!-- results -->" in capsys.readouterr().err
