"""inkdigits reads handwritten digits and numbers: the classic MNIST road, and on to real paper.

    from inkdigits import Reader
    Reader().read("cheque.png").text

Public names are resolved lazily, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inkdigits.reading.constraints import Constraints
    from inkdigits.reading.reader import Reader
    from inkdigits.reading.result import Alternative, Digit, Number, Reading

__version__ = "0.1.0"
__all__ = [
    "Alternative",
    "Constraints",
    "Digit",
    "Number",
    "Reader",
    "Reading",
    "__version__",
]

_HOMES = {
    "Alternative": "inkdigits.reading.result",
    "Constraints": "inkdigits.reading.constraints",
    "Digit": "inkdigits.reading.result",
    "Number": "inkdigits.reading.result",
    "Reader": "inkdigits.reading.reader",
    "Reading": "inkdigits.reading.result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
