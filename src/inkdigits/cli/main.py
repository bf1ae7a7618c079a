"""The one place where exceptions become exit codes.

Results go to stdout; progress, warnings and errors go to stderr. An error is one line: what was
wrong, the value received, what to do next. `--debug` shows the traceback.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer

# The verbs put themselves on the app as they are imported, in the order of the help.
from inkdigits.cli import model_verbs as _model_verbs  # noqa: F401
from inkdigits.cli import reading_verbs as _reading_verbs  # noqa: F401
from inkdigits.cli.app import with_only
from inkdigits.errors import ExitCode, InkdigitsError, one_line

# What writing to a closed or full stdout raises; every other file has an error of its own.
STDOUT_ERRORS = {errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the only place that catches everything."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    warnings.showwarning = show_warning
    keep_odd_names_printable()
    try:
        code = int(run(given) or ExitCode.DONE)
        # Typer catches Ctrl-C itself and returns its code.
        return interrupted() if code == ExitCode.INTERRUPTED else code
    except (KeyboardInterrupt, typer.Abort):
        return interrupted()
    except SystemExit:
        # Typer leaves this way at a closed pipe, and at nothing else.
        return fail(BrokenPipeError(errno.EPIPE, "stdout was closed"))
    except Exception as error:  # the single handler turns every error into a code
        if debug:
            raise
        return fail(error)


def keep_odd_names_printable() -> None:
    """Let stdout escape what it cannot encode: a file's name need not be valid text."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def run(arguments: list[str]) -> Any:
    """Parse and carry out; options that belong to the program may stand anywhere."""
    ordered = ["--debug"] if "--debug" in arguments else []
    ordered += [argument for argument in arguments if argument != "--debug"]
    verb = next((one for one in ordered if one != "--debug"), "")
    command = typer.main.get_command(with_only(verb))
    code = command.main(args=ordered, prog_name="inkdigits", standalone_mode=False)
    sys.stdout.flush()
    return code


def fail(error: Exception) -> int:
    """Tell of `error` in one line on stderr and return its exit code."""
    if isinstance(error, typer.TyperException) and is_help(error):
        sys.stderr.write(f"{error}\n")
        return int(ExitCode.USAGE)
    code, message = explain(error)
    sys.stderr.write(f"inkdigits: error: {message}\n")
    return int(code)


def explain(error: Exception) -> tuple[ExitCode, str]:
    """Return the exit code and the one line for an exception of any kind."""
    if isinstance(error, InkdigitsError):
        return error.exit_code, str(error)
    if isinstance(error, typer.TyperException):
        return ExitCode.USAGE, f"{one_line(usage_message(error))} See `inkdigits --help`."
    if isinstance(error, OSError) and error.errno in STDOUT_ERRORS:
        return ExitCode.CANNOT_WRITE, explain_os_error(error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("inkdigits"):
        hint = 'Install what this verb needs with: pip install "inkdigits[train]"'
        return ExitCode.USAGE, f"the package {error.name!r} is not installed. {hint}"
    if isinstance(error, MemoryError):
        return ExitCode.FAULT, "out of memory."
    line = f"unexpected {type(error).__name__}: {one_line(str(error))}"
    return ExitCode.FAULT, f"{line}. Run again with --debug, and report it."


def explain_os_error(error: OSError) -> str:
    """Return the line for an error of the operating system, as at a closed or full stdout."""
    discard_stdout()
    if isinstance(error, BrokenPipeError):
        return "stdout was closed before everything was written."
    return f"{one_line(str(error))}. Check the disk and the path."


def is_help(error: typer.TyperException) -> bool:
    """Return whether the parser answers a call without arguments by the help text."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_message(error: typer.TyperException) -> str:
    """Return what the parser complains about, without a second full stop."""
    format_message = getattr(error, "format_message", error.__str__)
    return str(format_message()).rstrip(".?") + ("?" if str(error).endswith("?") else ".")


def discard_stdout() -> None:
    """Keep Python from complaining about an unwritable stdout once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def interrupted() -> int:
    """Tell that the user stopped the program."""
    sys.stderr.write("inkdigits: interrupted.\n")
    return int(ExitCode.INTERRUPTED)


def show_warning(message: Warning | str, *_details: Any, **_more: Any) -> None:
    """Show a warning as one line on stderr."""
    sys.stderr.write(f"inkdigits: warning: {one_line(str(message))}\n")


if __name__ == "__main__":
    sys.exit(main())
