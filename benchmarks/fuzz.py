"""Mutated image files of all formats: no crash, no hang, every answer a result or an error.

Each file, every page of it, is read by a real `Reader` in worker processes that are given a wall
time and a memory for it. The same seed gives the same files; `--only INDEX` repeats
one in this process and shows what happens. `--trial` writes no record.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from fuzz_files import mutated, valid_files

OUTCOMES = ("result", "error 3", "crash", "hang", "other")
MEMORY = 4 << 30


@dataclass
class Tally:
    """What became of the files so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    by_format: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest: dict[str, Any] = field(default_factory=lambda: {"seconds": 0.0})
    peak: int = 0

    def add(self, answer: dict[str, Any]) -> None:
        """Count one file."""
        self.outcomes[answer["outcome"]] += 1
        kind = answer["name"].split()[0]
        self.by_format.setdefault(kind, Counter())[answer["outcome"]] += 1
        if answer["outcome"] not in OUTCOMES[:2]:
            self.failures.append(answer)
        if answer["seconds"] > self.slowest["seconds"]:
            self.slowest = answer
        self.peak = max(self.peak, answer.get("peak", 0))


def judged(index: int, seed: int, files: dict[str, bytes], reader: Any) -> dict[str, Any]:
    """Read mutated file `index` as a user would; return its outcome."""
    name, content = mutated(seed, index, files)
    started = time.perf_counter()
    said = ""
    try:
        reading = reader.read_or_error(content)
        outcome = "error 3" if reading.status == "error" else "result"
        said = reading.error or reading.text
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        outcome, said = "other", f"{type(error).__name__}: {error}"
    if "\n" in said and outcome == "error 3":
        outcome = "other"
    return {
        "index": index,
        "name": name,
        "outcome": outcome,
        "said": said,
        "seconds": round(time.perf_counter() - started, 3),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def work(seed: int) -> None:
    """Judge the files whose numbers come by standard input, one line of JSON each."""
    from inkdigits import Reader

    files, reader = valid_files(), Reader()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # What libraries say of torn files is not for this output, and warnings are allowed.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        print(json.dumps(judged(int(line), seed, files, reader)), flush=True)


class Worker:
    """A worker process that is started again whenever it dies."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._command = [sys.executable, __file__, "--worker", "--seed", str(seed)]
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def judge(self, index: int) -> dict[str, Any]:
        """Return the outcome of file `index`; a crash or a hang ends the process."""
        process = self._process or self._start()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        started = time.perf_counter()
        answered, hung = threading.Event(), threading.Event()
        guard = threading.Thread(target=self._end_when_late, args=(process, answered, hung))
        guard.start()
        try:
            process.stdin.write(f"{index}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            answered.set()
            guard.join()
        if line:
            return dict(json.loads(line))
        self._process = None
        return {
            "index": index,
            "name": "?",
            "outcome": "hang" if hung.is_set() else "crash",
            "said": f"exit code {process.wait()}",
            "seconds": round(time.perf_counter() - started, 3),
        }

    def _end_when_late(
        self, process: subprocess.Popen[str], answered: threading.Event, hung: threading.Event
    ) -> None:
        """Kill a worker that takes too long; waited in steps, so that a pause does not count."""
        step = min(1.0, self._seconds)
        for _ in range(round(self._seconds / step)):
            if answered.wait(step):
                return
        hung.set()
        process.kill()

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self._process

    def end(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


def run(n: int, seed: int, seconds: float, workers: int) -> Tally:
    """Judge files 0 … n − 1 in `workers` processes."""
    tally, numbers, lock = Tally(), count(), threading.Lock()
    files = valid_files()

    def indices() -> Iterator[int]:
        while True:
            with lock:
                index = next(numbers)
            if index >= n:
                return
            yield index

    def serve() -> None:
        worker = Worker(seed, seconds)
        for index in indices():
            answer = worker.judge(index)
            answer["name"] = mutated(seed, index, files)[0]
            with lock:
                tally.add(answer)
                if (done := tally.outcomes.total()) % 500 == 0:
                    print(f"{done} files: {dict(tally.outcomes)}", file=sys.stderr, flush=True)
        worker.end()

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(serve) for _ in range(workers)]:
            future.result()
    return tally


def summary(tally: Tally, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what is recorded: the counts, and each file that ended as none may."""
    return {
        "total": tally.outcomes.total(),
        "outcomes": {name: tally.outcomes[name] for name in OUTCOMES},
        "by_format": {kind: dict(found) for kind, found in sorted(tally.by_format.items())},
        "seed": arguments.seed,
        "seconds_a_file": arguments.seconds,
        "memory_gib": MEMORY >> 30,
        "peak_mib": tally.peak,
        "slowest": tally.slowest,
        "failures": tally.failures,
    }


def record(result: dict[str, Any], folder: Path) -> None:
    """Write records/fuzz.json."""
    from record import Figure, write_record

    bad = [result["outcomes"][name] for name in OUTCOMES[2:]]
    share = sum(bad) / result["total"]
    what = f"share of {result['total']} mutated image files that end in a crash, a hang or a fault"
    write_record("fuzz", [Figure(what, "share", share, bad, at_most=0.0)], folder, **result)


def main() -> None:
    """Run as the options say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000, help="default: 20000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0, help="wall time a file, default: 60")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--records", type=Path, default=Path(__file__).parents[1] / "records")
    parser.add_argument("--trial", action="store_true", help="write no record")
    parser.add_argument("--only", type=int, metavar="INDEX", help="judge one file, in this process")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.seed)
        return
    if arguments.only is not None:
        from inkdigits import Reader

        print(json.dumps(judged(arguments.only, arguments.seed, valid_files(), Reader())))
        return
    tally = run(arguments.files, arguments.seed, arguments.seconds, arguments.workers)
    result = summary(tally, arguments)
    print(json.dumps(result))
    if not arguments.trial:
        record(result, arguments.records)
    sys.exit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()
