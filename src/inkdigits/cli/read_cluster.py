"""`inkdigits read … --cluster ADDRESS --out DIR`: the folder job on many machines."""

from __future__ import annotations

from pathlib import Path

from inkdigits.cli.read import tell_selection
from inkdigits.cli.read_folder import progress_bar, tell_kept, tell_outcome
from inkdigits.cluster.connection import require_ray
from inkdigits.cluster.job import read_on_cluster
from inkdigits.errors import CannotWrite, DataUnavailable
from inkdigits.reading.settings import ReaderSettings

require_ray()


def read(
    sources: list[str],
    out: str,
    settings: ReaderSettings,
    address: str,
    column: str | None,
    annotate: Path | None,
) -> int:
    """Read `sources` into the folder `out`, tell the outcome on stderr, return the exit code."""
    tell_selection(settings.reader())  # which also raises what is wrong with the settings
    try:
        result = read_on_cluster(sources, out, settings, address, progress_bar, column, annotate)
    except (KeyboardInterrupt, CannotWrite, DataUnavailable):
        tell_kept(out)
        raise
    return tell_outcome(result, out)
