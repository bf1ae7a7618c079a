"""Guard: only the review's own page may use its service, whatever else the browser has open."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from inkdigits.errors import Forbidden, InkdigitsError, InvalidData, UnsupportedType
from inkdigits.serving.app import named
from inkdigits.serving.requests import bounded, check_length
from inkdigits.serving.settings import ServiceSettings

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
SMALL = ServiceSettings(max_bytes=1 << 16)
"""What a request may bring: never an image."""
OWN_PAGE = frozenset(("same-origin", "none"))
"""What a browser says of a request that no other site has a part in."""


class OwnPageOnly:
    """Refuses requests that another site's page made, and names that may be another's.

    `hosts` are the names by which the service may be called, None for any: a page of another site
    can make its own name mean this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                self._check(request)
            except InkdigitsError as error:
                await (await named(request, error))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        """Raise Forbidden unless a request comes from the service's own page."""
        host = request.headers.get("host", "")
        if self._hosts is not None and name_of(host) not in self._hosts:
            raise Forbidden(f"this service is not {host[:60]!r}.", "Open it at 127.0.0.1.")
        if request.method in {"GET", "HEAD"}:
            return
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Forbidden(f"a page of {origin[:60]!r} may not ask this.")
        if request.headers.get("sec-fetch-site", "none") not in OWN_PAGE:
            raise Forbidden("a page of another site may not ask this.")


def name_of(host: str) -> str | None:
    """Return the name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def json_of(request: Request) -> dict[str, Any]:
    """Return the object in a request's body; UnsupportedType, RequestTooLarge or InvalidData."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedType(f"a body of type {kind[:60]!r} is no JSON.", "Send application/json.")
    check_length(request, SMALL)
    content = b"".join([chunk async for chunk in bounded(request, SMALL)])
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"the body is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise InvalidData("the body is no JSON object.")
    return found
