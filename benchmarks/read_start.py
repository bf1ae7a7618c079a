"""Reading one image, the whole process: `inkdigits read` against `.keras` in TensorFlow.

Also `inkdigits --help`, which is what a user waits for first. The disk is hot: each command runs
once before it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import peer
from PIL import Image
from processes import INKDIGITS, arguments, data_folder, environment, run, say
from record import Figure, median_figure, ratio_figure, write_record

from inkdigits.data import mnist

BAR = 0.15
HELP_BAR = 0.3
# The second image of the test split, a 2: unlike a 1 or a 7, nothing else looks like it.
TEST_IMAGE = 1


def draw_image(path: Path) -> Path:
    """Write a digit of the test split large, dark on white, as a drawing would be."""
    content = mnist.read_verified(data_folder(), mnist.TEST_IMAGES)
    start = 16 + TEST_IMAGE * 784
    digit = np.frombuffer(content[start : start + 784], np.uint8).reshape(28, 28)
    page = Image.fromarray(255 - digit).resize((560, 560), Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path


def our_model(work: Path) -> Path:
    """Return an artefact trained by `quickstart`, made at first use."""
    folder = work / "quickstart"
    if not (folder / "report.html").is_file():
        run([INKDIGITS, "train", "quickstart", "--data", "mnist", "--out", folder], environment())
    return folder / "model.onnx"


def peer_model(python: Path, work: Path) -> Path:
    """Return the peer's `.keras` file, made at first use."""
    model = work / "peer" / "model.keras"
    if not model.is_file():
        command: list[str | Path] = [
            python,
            peer.TRAIN,
            "--data",
            data_folder(),
            "--out",
            model.parent,
        ]
        run([*command, "--epochs", "2", "--patience", "0"])
    return model


def measure(commands: dict[str, Sequence[str | Path]], repeats: int) -> dict[str, list[float]]:
    """Run the commands in turn and return the seconds of each; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for repeat in range(-1, repeats):
        for name, command in commands.items():
            done = run(command, environment())
            if repeat < 0:
                say(f"{name}: {done.stdout.splitlines()[0]}")
            else:
                seconds[name].append(done.seconds)
    return seconds


def figures_of(seconds: dict[str, list[float]]) -> list[Figure]:
    """Return the ratio of the pairs, and the seconds of each command."""
    return [
        ratio_figure(
            "`inkdigits read IMAGE` / the same with `.keras` in TensorFlow, whole process",
            seconds["read"],
            seconds["peer"],
            at_most=BAR,
        ),
        median_figure("`inkdigits read IMAGE`, whole process", "seconds", seconds["read"]),
        median_figure("loading `.keras` in TensorFlow and reading", "seconds", seconds["peer"]),
        median_figure("`inkdigits --help`", "seconds", seconds["help"], at_most=HELP_BAR),
    ]


def main() -> None:
    """Measure and write records/read-start.json."""
    options = arguments(__doc__, repeats=15).parse_args()
    work = (options.work / "read-start").resolve()
    python = peer.peer_python()
    image = draw_image(work / "two.png")
    commands: dict[str, Sequence[str | Path]] = {
        "read": [INKDIGITS, "read", image, "--model", our_model(work)],
        "peer": [python, peer.PREDICT, peer_model(python, work), image],
        "help": [INKDIGITS, "--help"],
    }
    seconds = measure(commands, options.repeats)
    write_record(
        "read-start",
        figures_of(seconds),
        options.records,
        n=options.repeats,
        seeds=[],
        image=f"test image {TEST_IMAGE}, 560×560, dark on white",
        range_seconds={name: [min(values), max(values)] for name, values in seconds.items()},
        peer={"versions": peer.peer_versions(python)},
    )


if __name__ == "__main__":
    main()
