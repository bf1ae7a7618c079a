"""What the README and the guide show is run, so that it cannot rot."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import cv2
import pytest
import typer

from inkdigits.cli import main as _verbs  # noqa: F401 (they put themselves on the app)
from inkdigits.cli.app import app
from inkdigits.errors import ExitCode
from inkdigits.training.recipe import Recipe, load_recipe, recipe_names

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "guide.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.mnist
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_runs(
    page: Path, mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from draw_seven import draw

    cv2.imwrite("seven.png", draw())
    cv2.imwrite("photo.jpg", draw(seed=5))
    monkeypatch.setenv("INKDIGITS_DATA", str(mnist_folder))
    printed: list[str] = []
    for code in blocks(page, "python"):
        exec(code, {"print": lambda *values: printed.append(" ".join(map(str, values)))})
    assert any(line.startswith("7") for line in printed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shown_command_parses(page: Path) -> None:
    command = typer.main.get_command(app)
    shown = [
        line.removeprefix("$ ").partition("#")[0]
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ inkdigits")
    ]
    assert page.name != "README.md" or len(shown) >= 8
    for line in shown:
        words = shlex.split(line)[1:]
        group = command.commands[words[0]]
        group = group.commands[words.pop(1)] if hasattr(group, "commands") else group
        context = group.make_context(words[0], words[1:], resilient_parsing=False)
        assert context.params is not None, line


def test_recipe_in_the_guide_is_the_default_recipe() -> None:
    text, _ = blocks(ROOT / "docs" / "guide.md", "toml")
    assert Recipe.from_toml(text) == Recipe(name="mine")


def test_search_in_the_guide_is_that_of_the_classic_recipe() -> None:
    _, text = blocks(ROOT / "docs" / "guide.md", "toml")
    assert tomllib.loads(text)["search"] == load_recipe("early-stopping").search


def test_guide_names_every_recipe_verb_and_exit_code() -> None:
    text = (ROOT / "docs" / "guide.md").read_text()
    for name in recipe_names():
        assert f"`{name}`" in text
        assert load_recipe(name).title
    for verb in typer.main.get_command(app).commands:
        assert f"`{verb}" in text, verb
    for code in ExitCode:
        assert re.search(rf"^\| {code.value} \|", text, re.MULTILINE), code


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), (page.name, target)


def test_examples_run(tmp_path: Path) -> None:
    import subprocess

    script = ROOT / "examples" / "draw_seven.py"
    done = subprocess.run([sys.executable, script, tmp_path / "seven.png"], capture_output=True)
    assert done.returncode == 0
    assert cv2.imread(str(tmp_path / "seven.png")).shape[:2] == (430, 340)
