"""The other services, Flask with Keras and LitServe, in each of their usual settings.

They get an environment of their own in the work folder; INKDIGITS_SERVING_PYTHON names an
interpreter that has the packages of serving-requirements.txt already.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import peer
from read_start import peer_model
from record import ROOT
from serving_client import HOST
from serving_servers import PORT, Side

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "serving-requirements.txt"
PEERS = HERE / "peers"
DIGIT_MODEL = ROOT / "src" / "inkdigits" / "reading" / "assets" / "digit.onnx"
VARIABLE = "INKDIGITS_SERVING_PYTHON"
PACKAGES = (
    *("flask", "werkzeug", "gunicorn", "waitress", "tensorflow-cpu", "keras"),
    *("litserve", "uvicorn", "uvloop", "fastapi", "onnxruntime"),
)
FLASK, LITSERVE, LITSERVE_READER = "Flask", "LitServe", "LitServe with our reader"
BATCHED = ("--batch", "16", "--wait", "0.002")
# What two cores offer: each is tried, the fastest one is measured.
LITSERVE_SETTINGS: tuple[tuple[str, ...], ...] = (
    ("--workers", "1"),
    ("--workers", "2"),
    ("--workers", "2", "--api-servers", "2"),
    ("--workers", "2", "--fast-queue"),
    ("--workers", "2", "--fast-queue", "--api-servers", "2"),
    ("--workers", "1", "--fast-queue", *BATCHED),
    ("--workers", "2", "--fast-queue", *BATCHED),
    ("--workers", "1", "--fast-queue", "--batch", "64", "--wait", "0.005"),
    ("--workers", "1", "--threads", "2", "--fast-queue", *BATCHED),
)
READER_SETTINGS: tuple[tuple[str, ...], ...] = (
    ("--workers", "2"),
    ("--workers", "2", "--fast-queue"),
    ("--workers", "2", "--fast-queue", *BATCHED),
)


def serving_python(work: Path) -> Path:
    """Return the interpreter that has the other services, making its environment at first use."""
    names = "Flask, Keras and LitServe"
    return peer.python_with(REQUIREMENTS, work / "venv-serving", VARIABLE, names)


def versions_of(python: Path) -> dict[str, str]:
    """Return the versions of Python and of the packages that the other services run on."""
    command = [str(python), "-c", peer.VERSIONS_PROGRAM, *PACKAGES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def all_settings(work: Path) -> dict[str, list[Side]]:
    """Return each of the other services in all its settings; the classic network is trained."""
    python = str(serving_python(work))
    model = peer_model(peer.peer_python(), work)
    return {
        FLASK: flask_sides(python, model),
        LITSERVE: litserve_sides(python, LITSERVE, LITSERVE_SETTINGS),
        LITSERVE_READER: litserve_sides(
            python, LITSERVE_READER, [("--reader", *setting) for setting in READER_SETTINGS]
        ),
    }


def flask_sides(python: str, model: Path) -> list[Side]:
    """Return Flask under Werkzeug, waitress and gunicorn; they share the cores as they can."""
    where = f"{HOST}:{PORT}"
    waitress = [python, "-m", "waitress", f"--listen={where}", "--call"]
    gunicorn = [python, "-m", "gunicorn", "--bind", where, "--worker-class", "gthread"]
    commands = {
        "Werkzeug, threads": ([python, str(PEERS / "serving_flask.py"), PORT], 1),
        "waitress, 2 threads": ([*waitress, "--threads=2", "serving_flask:create_app"], 1),
        "waitress, 8 threads": ([*waitress, "--threads=8", "serving_flask:create_app"], 1),
    }
    for workers, threads in ((1, 4), (2, 1), (2, 4)):
        numbers = ["--workers", str(workers), "--threads", str(threads)]
        commands[f"gunicorn, {workers} × {threads} threads"] = (
            [*gunicorn, *numbers, "serving_flask:create_app()"],
            workers,
        )
    env = {"KERAS_MODEL": str(model.resolve()), "PYTHONPATH": str(PEERS)}
    return [
        Side(f"{FLASK}, {name}", command, "/predict", "/healthz", env, processes)
        for name, (command, processes) in commands.items()
    ]


def litserve_sides(python: str, name: str, settings: Sequence[Sequence[str]]) -> list[Side]:
    """Return LitServe in its settings; only the one with our reader finds inkdigits."""
    script = [python, str(PEERS / "serving_litserve.py"), str(DIGIT_MODEL), PORT]
    env = {"PYTHONPATH": str(ROOT / "src") if name == LITSERVE_READER else ""}
    return [
        Side(f"{name}, {' '.join(setting)}", [*script, *setting], "/predict", "/health", env)
        for setting in settings
    ]
