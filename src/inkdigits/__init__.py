"""inkdigits reads handwritten digits: the classic MNIST road, and on to real paper.

    from inkdigits import Reader
    Reader().read("seven.png").text

Public names are resolved lazily, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inkdigits.reading.reader import Reader
    from inkdigits.reading.result import Digit, Number, Reading

__version__ = "0.1.0"
__all__ = ["Digit", "Number", "Reader", "Reading", "__version__"]

_HOMES = {
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
