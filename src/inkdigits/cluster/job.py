"""A reading job on a cluster: parts that have no readings yet go through Ray Data.

    fetch (tasks) → read and write (actors that hold the model) → counts

Ray Data streams: a part is fetched when there is room for it. It is written under a temporary name,
then renamed, always to the same name, so that a part that is read twice is there once. What a dead
worker was at is read again; what a dead job has written, the next one keeps.
"""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

from inkdigits.cluster.connection import cluster_cores, connected
from inkdigits.cluster.part_reader import Order, PartReader, fetch_part
from inkdigits.cluster.parts import Part, divide
from inkdigits.cluster.sources import find_sources, is_url
from inkdigits.cluster.store import JOB_FILE, MANIFEST_FILE, Store
from inkdigits.errors import CannotWrite, InkdigitsError, UsageError
from inkdigits.files import sha256
from inkdigits.reading.folder import FolderResult, Progress, already_there, header_of
from inkdigits.reading.journal import check_header
from inkdigits.reading.settings import ReaderSettings

FETCHING = 0.1
"""Of each core; the rest is its reader's, since fetching mostly waits."""
LOOKS_AT_ONCE = 16
Bar: TypeAlias = Callable[[int], AbstractContextManager[Progress]]
"""Gets the number of images, and gives what moves a bar."""


def read_on_cluster(
    sources: Sequence[str],
    out: str,
    settings: ReaderSettings,
    address: str,
    bar: Bar,
    column: str | None = None,
    annotate: Path | None = None,
) -> FolderResult:
    """Read `sources` into the folder `out`, one row an input, on the cluster at `address`.

    `sources` are files, folders and URLs of images and Parquet files, whose images are in `column`;
    `annotate` is a folder for drawings, which all machines share. An image that cannot be read, or
    ends the process that reads it, has a row with status `error`. Called again after it was broken
    off, it continues. Raises UsageError when `out` is finished, or was begun with other inputs or
    settings, or where no cluster answers; InvalidData, DataUnavailable, ModelRefused, CannotWrite.
    """
    place = out if is_url(out) else str(Path(out).absolute())
    store = Store(place)
    names = store.names()
    if MANIFEST_FILE in names:
        raise already_there(out)
    parts = divide(*find_sources(sources, place, column, annotate))
    n = sum(map(len, parts))
    begin(store, names, header_of(settings, annotate), parts)
    done = parts_there(store, names, parts)
    counts = sum(done.values(), Counter[str]())
    before = counts.total()
    model = None if settings.model is None else settings.model.read_bytes()
    order = Order(settings, model, str(Path.cwd()), place)
    with bar(n) as progress:
        progress(before)
        missing = [part for part in parts if part.index not in done]
        if missing:
            for read in read_parts(missing, order, address):
                counts += read
                progress(counts.total())
    finish(store, parts, counts)
    return FolderResult(dict(counts), before, vanished=0)


def begin(store: Store, names: set[str], header: Mapping[str, Any], parts: Sequence[Part]) -> None:
    """Note with what a job is started, or check that it was started so; tidy up after a kill.

    Raises UsageError where the folder is of something else.
    """
    plan = sha256("\n".join(part.file for part in parts).encode())
    inputs = {"images": sum(map(len, parts)), "plan": plan}
    if JOB_FILE not in names:
        if names:
            raise UsageError(
                f"{store.url!r} is there already, and is no folder of a reading.",
                "Choose another --out.",
            )
        store.write_json(JOB_FILE, {**header, **inputs})
        return
    found = store.read_json(JOB_FILE)
    then = {name: found.pop(name, None) for name in inputs}
    check_header(found, dict(header), Path(store.url))
    if then != inputs:
        raise UsageError(
            f"{store.url!r} was begun with other inputs: {then['images']} images then, "
            f"{inputs['images']} now, or others.",
            "Choose another --out.",
        )
    store.remove_leftovers(names)


def parts_there(store: Store, names: set[str], parts: Sequence[Part]) -> dict[int, Counter[str]]:
    """Return the parts that are written whole, each with its counts by status."""
    there = [part for part in parts if part.file in names]
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        found = pool.map(store.statuses, (part.file for part in there))
        return {
            part.index: Counter(statuses)
            for part, statuses in zip(there, found, strict=True)
            if statuses is not None and len(statuses) == len(part)
        }


def read_parts(parts: Sequence[Part], order: Order, address: str) -> Iterator[Counter[str]]:
    """Read parts on the cluster and yield the counts of each; raises what a reader raises."""
    with connected(address):
        for row in pipeline(parts, order).iter_rows():
            outcome: Counter[str] | InkdigitsError = pickle.loads(row["outcome"])
            if isinstance(outcome, InkdigitsError):
                raise outcome
            yield outcome


def pipeline(parts: Sequence[Part], order: Order) -> Any:
    """Return the Ray data set of the counts of each part; iterating it does the work."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    items = [{"part": pickle.dumps(part)} for part in parts]
    fetched = ray.data.from_items(items, override_num_blocks=len(items)).map(
        fetch_part, fn_args=(order,), num_cpus=FETCHING
    )
    return fetched.map(
        PartReader,
        fn_constructor_args=(order,),
        num_cpus=1 - FETCHING,
        compute=ray.data.ActorPoolStrategy(size=min(len(parts), cluster_cores())),
    )


def finish(store: Store, parts: Sequence[Part], counts: Counter[str]) -> None:
    """Write what the folder holds, as the last of all; raises CannotWrite where a part lacks."""
    names = store.names()
    lacking = [part.file for part in parts if part.file not in names]
    if lacking or counts.total() != sum(map(len, parts)):
        raise CannotWrite(
            f"{len(lacking)} parts are missing in {store.url!r}, {lacking[:1]} among them.",
            "Is it a folder that all machines share? The same command continues.",
        )
    files = [{"file": part.file, "rows": len(part)} for part in parts]
    store.write_json(MANIFEST_FILE, {"counts": dict(counts), "parts": files})
    store.remove_leftovers(names, marks=True)
