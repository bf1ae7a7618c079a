"""Every error that inkdigits raises on purpose, in one tree.

    InkdigitsError            1  500   something went wrong that we can name
    ├── UsageError            2  400   the call itself is wrong (option, recipe, key)
    │   └── MissingExtra      2  501   the verb needs packages that are not installed
    ├── InputError            3  422   an image or a data file cannot be used
    │   ├── UnreadableImage   3  422   bytes that are no image we read, or too large
    │   ├── InvalidData       3  422   truncated, corrupt or mislabelled data
    │   ├── RequestTooLarge   3  413   a request with more bytes or files than the service takes
    │   ├── UnsupportedType   3  415   a request whose body is said to be no image
    │   └── RequestTooSlow    3  408   a request that does not arrive in time
    ├── ModelRefused          4  500   a model file that is broken, foreign or unsafe
    ├── DataUnavailable       5  503   data that is not here and cannot be fetched
    ├── CannotWrite           6  507   disk full, no permission
    ├── NotAllowed            1  401   a request without the service's key
    ├── Forbidden             1  403   a request that comes from another site's page
    ├── Conflict              1  409   a request for what someone else has done, or is about to do
    ├── TooBusy               1  429   more requests than the service's queue holds
    │   └── NotReady          1  503   a service that starts, or stops
    └── TrainingFailed        1  500   the training itself broke down (loss is nan)

The first number is the process's exit code, a public promise; the second is the HTTP status.
Every message is one line: what was wrong, the value received, what to do next.
"""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the `inkdigits` command; their meaning never changes."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    INPUT = 3
    MODEL_REFUSED = 4
    DATA_UNAVAILABLE = 5
    CANNOT_WRITE = 6
    INTERRUPTED = 130


class InkdigitsError(Exception):
    """Base of all errors raised on purpose.

    `message` says what was wrong and echoes the value received; `hint` says what to do next.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAULT
    http_status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = one_line(message)
        self.hint = one_line(hint)
        super().__init__(" ".join(part for part in (self.message, self.hint) if part))

    def __reduce__(self) -> tuple[type[InkdigitsError], tuple[str, str]]:
        """Let an error come out of another process as it went in."""
        return type(self), (self.message, self.hint)


class UsageError(InkdigitsError):
    """The call itself is wrong: an unknown option, recipe or key, or a value out of range."""

    exit_code = ExitCode.USAGE
    http_status = HTTPStatus.BAD_REQUEST


class MissingExtra(UsageError):
    """The verb needs packages that an extra installs."""

    http_status = HTTPStatus.NOT_IMPLEMENTED


class InputError(InkdigitsError):
    """An input cannot be used."""

    exit_code = ExitCode.INPUT
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class UnreadableImage(InputError):
    """Bytes that are no image in an allowed format, or an image beyond the limits."""


class InvalidData(InputError):
    """A data file that is truncated, corrupt, mislabelled or of the wrong size."""


class RequestTooLarge(InputError):
    """A request of more bytes or files than the service takes."""

    http_status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedType(InputError):
    """A request whose body is said to be something else than an image."""

    http_status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RequestTooSlow(InputError):
    """A request that did not arrive in time."""

    http_status = HTTPStatus.REQUEST_TIMEOUT


class NotAllowed(InkdigitsError):
    """A request that does not carry the service's key."""

    http_status = HTTPStatus.UNAUTHORIZED


class Forbidden(InkdigitsError):
    """A request that comes from another site's page, or calls the service by a foreign name."""

    http_status = HTTPStatus.FORBIDDEN


class Conflict(InkdigitsError):
    """A request for something that someone else has done, or is about to do."""

    http_status = HTTPStatus.CONFLICT


class TooBusy(InkdigitsError):
    """More requests at once than the service's queue holds."""

    http_status = HTTPStatus.TOO_MANY_REQUESTS


class NotReady(TooBusy):
    """A service that has not answered once yet, or that is about to stop."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class ModelRefused(InkdigitsError):
    """A model file that is broken, not ours, or could run code when loaded."""

    exit_code = ExitCode.MODEL_REFUSED


class DataUnavailable(InkdigitsError):
    """Data that is not on this machine and could not be fetched."""

    exit_code = ExitCode.DATA_UNAVAILABLE
    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class CannotWrite(InkdigitsError):
    """An output could not be written: disk full, no permission, not a directory."""

    exit_code = ExitCode.CANNOT_WRITE
    http_status = HTTPStatus.INSUFFICIENT_STORAGE


class TrainingFailed(InkdigitsError):
    """The training broke down by itself, as when the loss is no longer a number."""


def one_line(text: str) -> str:
    """Return `text` with every run of white space folded into one space."""
    return " ".join(text.split())
