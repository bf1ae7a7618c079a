"""Images a second: the bundled model in ONNX Runtime against `predict` of the classic network.

Both use all cores and the 10,000 test images, already framed; passes run in turn (A B A B …), so
that both meet the same noise. The classic network has a fiftieth of the bundled one's arithmetic.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import peer
from processes import arguments, data_folder, environment, say
from record import Figure, median_figure, ratio_figure, write_record

from inkdigits.data.source import load_mnist
from inkdigits.reading.engine import Engine
from inkdigits.reading.models import BUNDLED_MODEL, bundled

THREADS = 2
BATCH = 1000


@contextmanager
def peer_process() -> Iterator[tuple[IO[str], IO[str]]]:
    """Run the peer's script and yield its standard input and output."""
    command = [str(peer.peer_python()), str(peer.THROUGHPUT), str(data_folder())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the peer has no pipes")
        yield child.stdin, child.stdout
        child.stdin.close()


def measure(repeats: int) -> tuple[list[float], list[float], int]:
    """Return the seconds of each pass, ours and the peer's, and the peer's batch size."""
    images = load_mnist().test.images
    engine = Engine(bundled(BUNDLED_MODEL), threads=THREADS)
    ours, theirs = [], []
    with peer_process() as (ask, answers):
        batch_size = int(answers.readline())
        engine.predict_proba(images)
        for _ in range(repeats):
            started = time.perf_counter()
            for start in range(0, len(images), BATCH):
                engine.predict_proba(images[start : start + BATCH])
            ours.append(time.perf_counter() - started)
            ask.write("\n")
            ask.flush()
            theirs.append(float(answers.readline()))
            say(f"ours {ours[-1]:.3f} s, peer {theirs[-1]:.3f} s")
    return ours, theirs, batch_size


def figures_of(ours: list[float], theirs: list[float]) -> list[Figure]:
    """Return the ratio of images a second, and the seconds of 10,000 images."""
    return [
        ratio_figure(
            "images a second, bundled model in ONNX Runtime / Keras `predict` of the classic "
            "network on TensorFlow",
            theirs,
            ours,
        ),
        median_figure("bundled model, 10,000 images", "seconds", ours, in_table=False),
        median_figure("Keras `predict`, 10,000 images", "seconds", theirs, in_table=False),
    ]


def main() -> None:
    """Measure and write records/throughput.json."""
    options = arguments(__doc__, repeats=15).parse_args()
    ours, theirs, batch_size = measure(options.repeats)
    write_record(
        "throughput",
        figures_of(ours, theirs),
        options.records,
        n=options.repeats,
        seeds=[],
        threads=THREADS,
        peer={"batch_size": batch_size, "versions": peer.peer_versions(peer.peer_python())},
    )


if __name__ == "__main__":
    main()
