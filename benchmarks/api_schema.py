"""The service does what its OpenAPI document says: schemathesis asks it odd things.

Left out is one check, that all which fits the document is accepted: no schema can say which bytes
are an image, which text is a pattern, or which length has a checksum.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from processes import common_arguments
from record import Figure, write_record

PHASES = "examples,coverage,fuzzing"
LEFT_OUT = "positive_data_acceptance"
START_SECONDS = 30.0
MOST_SECONDS = 1800


def main() -> None:
    """Ask, and write records/api-schema.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--examples", type=int, default=500, help="an operation; default: 500")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cases, failures = ask(options.examples, options.seed)
    what = f"failures of the service in {cases} requests that schemathesis makes of its document"
    figure = Figure(what, "count", failures, [failures], at_most=0)
    write_record(
        "api-schema", [figure], options.records, n=cases, seeds=[options.seed], left_out=LEFT_OUT
    )


def ask(examples: int, seed: int) -> tuple[int, int]:
    """Return how many requests were made, and how many unique failures they found."""
    command = [sys.executable, "-m", "inkdigits", "serve", "--port", "0", "--max-seconds", "5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            told = service.stderr.readline() if service.stderr else ""
            found = re.search(r"http://\S+?:\d+", told)
            if found is None:
                sys.exit(f"the service does not start: {told}")
            return counts(schemathesis(found.group(), examples, seed))
        finally:
            service.terminate()


def schemathesis(address: str, examples: int, seed: int) -> str:
    """Return what schemathesis says."""
    time.sleep(START_SECONDS / 10)
    program = str(Path(sys.executable).parent / "schemathesis")
    done = subprocess.run(
        [
            *(program, "run", f"{address}/openapi.json", "--wait-for-schema", str(START_SECONDS)),
            *("--phases", PHASES, "--exclude-checks", LEFT_OUT),
            *("--max-examples", str(examples), "--seed", str(seed)),
        ],
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    return done.stdout


def counts(told: str) -> tuple[int, int]:
    """Return the cases and the unique failures in a report; ends the script without one."""
    cases = re.search(r"(\d+) generated", told)
    if cases is None:
        sys.exit(f"schemathesis made no report: {told[-2000:]}")
    failures = re.search(r"found (\d+) unique failures?", told)
    return int(cases.group(1)), int(failures.group(1)) if failures else 0


if __name__ == "__main__":
    main()
