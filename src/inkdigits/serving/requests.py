"""Requests: the images and the options that a request carries, within limits."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from inkdigits.errors import (
    InvalidData,
    NotAllowed,
    RequestTooLarge,
    RequestTooSlow,
    UnsupportedType,
)
from inkdigits.serving.settings import ServiceSettings

FORM = "multipart/form-data"
TYPES = ("image/", "application/pdf", "application/octet-stream")
UNNAMED = "image"


@dataclass(frozen=True)
class Upload:
    """One image of a request: how it is called, and its bytes."""

    name: str
    content: bytes


class FormParser(MultiPartParser):
    """Starlette's parser, which never writes to disk: the service's limits bound the memory."""

    spool_max_size = 1 << 40


def check_key(request: Request, key: str | None) -> None:
    """Raise NotAllowed unless the request carries `key`, where there is one."""
    if key is None:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise NotAllowed(
            "this service needs its key.", "Send it as `Authorization: Bearer KEY` or `X-API-Key`."
        )


async def uploads_of(request: Request, settings: ServiceSettings, name: str) -> list[Upload]:
    """Return the images of a request: its body, called `name`, or each file of a form.

    Raises UnsupportedType for a body of another type, RequestTooLarge, RequestTooSlow, and
    InvalidData for a form that is broken, empty or cut off.
    """
    kind = request.headers.get("content-type", TYPES[-1]).lower()
    if not kind.startswith((FORM, *TYPES)):
        raise UnsupportedType(
            f"a body of type {kind.partition(';')[0][:60]!r} is no image.",
            f"Send image/*, application/pdf, application/octet-stream or {FORM}.",
        )
    check_length(request, settings)
    try:
        async with asyncio.timeout(settings.max_seconds):
            if kind.startswith(FORM):
                return await files_of(request, settings)
            body = b"".join([chunk async for chunk in bounded(request, settings)])
    except TimeoutError:
        raise RequestTooSlow(
            f"the request did not arrive within {settings.max_seconds:g} s.", "Send it faster."
        ) from None
    except ClientDisconnect:
        raise InvalidData("the request was broken off.") from None
    return [Upload(name, body)]


def check_length(request: Request, settings: ServiceSettings) -> None:
    """Raise RequestTooLarge at once where a request says itself that it is."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > settings.max_bytes:
        raise too_large(int(told), settings)


async def bounded(request: Request, settings: ServiceSettings) -> AsyncGenerator[bytes, None]:
    """Yield the body's chunks; raises RequestTooLarge when they are too much."""
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > settings.max_bytes:
            raise too_large(total, settings)
        yield chunk


def too_large(size: int, settings: ServiceSettings) -> RequestTooLarge:
    """Return the error for a request of `size` bytes or more."""
    return RequestTooLarge(
        f"the request has {size} bytes or more, the limit is {settings.max_bytes}.",
        "Send a smaller image, or fewer at once.",
    )


async def files_of(request: Request, settings: ServiceSettings) -> list[Upload]:
    """Return the files of a form, in its order."""
    parser = FormParser(
        request.headers, bounded(request, settings), max_files=settings.max_files, max_fields=16
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise RequestTooLarge(
                f"a request may have {settings.max_files} files.", "Send fewer at once."
            ) from None
        raise InvalidData(f"the form cannot be read: {error.message}.") from None
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        uploads = [Upload(file.filename or UNNAMED, await file.read()) for file in files]
    finally:
        await form.close()
    if not uploads:
        raise InvalidData("the form has no file.", "Send each image as a file of the form.")
    return uploads
