"""The fetch, against real HTTP servers on this machine that serve small stand-ins."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from samples import idx_bytes, write_idx_folder

from inkdigits.data import mnist as mnist_source
from inkdigits.data.dataset import Dataset
from inkdigits.data.mnist import IdxFile
from inkdigits.data.source import OfflineDigitsWarning, load_dataset
from inkdigits.errors import DataUnavailable, InvalidData
from inkdigits.files import sha256

LABELS = idx_bytes(np.array([1, 2, 3], np.uint8))
STAND_INS = (IdxFile("one", sha256(LABELS)), IdxFile(mnist_source.TEST_LABELS.name, sha256(LABELS)))


@contextmanager
def mirror(body: bytes, delay: float = 0.0, status: int = 200) -> Iterator[str]:
    """Serve `body` under every name."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            time.sleep(delay)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_source, "FILES", STAND_INS)
    monkeypatch.setattr(mnist_source, "ANSWER_SECONDS", 2.0)


@pytest.mark.usefixtures("stand_ins")
def test_a_mirror_that_lies_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = gzip.compress(LABELS)
    wrong = gzip.compress(LABELS[:-1] + b"\x09")
    with mirror(wrong) as liar, mirror(good, delay=0.2) as honest:
        monkeypatch.setattr(mnist_source, "MIRRORS", (liar, honest))
        assert mnist_source.fetch(tmp_path) == tmp_path
    assert {p.name for p in tmp_path.iterdir()} == {f"{file.name}.gz" for file in STAND_INS}
    assert all(mnist_source.is_verified(tmp_path, file) for file in STAND_INS)


@pytest.mark.usefixtures("stand_ins")
def test_complete_folder_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_source, "MIRRORS", ())
    for file in STAND_INS:
        (tmp_path / file.name).write_bytes(LABELS)
    assert mnist_source.fetch(tmp_path) == tmp_path


@pytest.mark.usefixtures("stand_ins")
def test_damaged_file_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in STAND_INS:
        (tmp_path / file.name).write_bytes(LABELS[:-1])
    with mirror(gzip.compress(LABELS)) as honest:
        monkeypatch.setattr(mnist_source, "MIRRORS", (honest,))
        mnist_source.fetch(tmp_path)
    assert all(mnist_source.is_verified(tmp_path, file) for file in STAND_INS)


@pytest.mark.usefixtures("stand_ins")
def test_no_mirror_within_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_source, "ANSWER_SECONDS", 0.3)
    with mirror(b"", delay=2) as slow, mirror(b"", status=403) as gone:
        monkeypatch.setattr(mnist_source, "MIRRORS", (slow, gone, "http://127.0.0.1:9/"))
        with pytest.raises(DataUnavailable, match="no MNIST mirror answered") as caught:
            mnist_source.fetch(tmp_path)
    assert "--data digits" in caught.value.hint
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("stand_ins")
def test_all_mirrors_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(gzip.compress(b"nonsense")) as liar:
        monkeypatch.setattr(mnist_source, "MIRRORS", (liar,))
        with pytest.raises(DataUnavailable, match="no mirror delivered one"):
            mnist_source.fetch(tmp_path)
    assert not any(tmp_path.iterdir())


def test_auto_falls_back_to_the_offline_digits_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(mnist_source.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(mnist_source, "MIRRORS", ())
    monkeypatch.setattr(mnist_source, "cache_folder", lambda: tmp_path)
    with pytest.warns(OfflineDigitsWarning, match="does not compare with MNIST"):
        dataset = load_dataset("auto")
    assert (dataset.name, dataset.comparable) == ("digits", False)
    assert len(dataset.train) + len(dataset.test) == 1797


def test_named_folder_that_is_wrong_is_never_replaced_by_other_data(
    small_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mnist_source.FOLDER_VARIABLE, str(small_folder))
    with pytest.raises(InvalidData, match="not MNIST's file"):
        load_dataset("auto")


def test_other_idx_set_keeps_its_own_name(small: Dataset, tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "mine", small, packed=False)
    dataset = load_dataset(str(folder))
    assert (dataset.name, dataset.comparable) == ("mine", False)
    assert dataset.sha256 == small.sha256


@pytest.mark.mnist
def test_mnist_with_one_altered_file_is_no_set_of_its_own(
    mnist_folder: Path, mnist: Dataset, tmp_path: Path
) -> None:
    for path in mnist_folder.iterdir():
        (tmp_path / path.name).symlink_to(path.resolve())
    for altered in tmp_path.glob(f"{mnist_source.TRAIN_LABELS.name}*"):
        altered.unlink()
    labels = np.roll(mnist.train.labels, 1)
    (tmp_path / mnist_source.TRAIN_LABELS.name).write_bytes(idx_bytes(labels))
    with pytest.raises(InvalidData, match=r"train-labels.*is not MNIST's file"):
        load_dataset(str(tmp_path))


def test_mislabelled_and_missing_files(small: Dataset, tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path, small, packed=False)
    labels = folder / mnist_source.TRAIN_LABELS.name
    labels.write_bytes(idx_bytes(np.full(1000, 11, np.uint8)))
    with pytest.raises(InvalidData, match="0–9, got 11"):
        load_dataset(str(folder))
    labels.write_bytes(idx_bytes(np.zeros(999, np.uint8)))
    with pytest.raises(InvalidData, match="1000 images but labels"):
        load_dataset(str(folder))
    labels.unlink()
    with pytest.raises(DataUnavailable, match="no train-labels"):
        load_dataset(str(folder))


@pytest.mark.mnist
def test_the_real_one_is_byte_exact(mnist_folder: Path, mnist: Dataset) -> None:
    assert len(mnist.train) == 60_000
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(mnist.test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
