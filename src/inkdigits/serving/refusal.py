"""The quick refusal: while there is no room, an image is refused before anything is done for it.

Under ten times too many requests refusing is most of a service's work, and what it takes is missing
where images are read.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inkdigits.serving.desk import Desk
from inkdigits.serving.headers import secure
from inkdigits.serving.metrics import Metrics


class QuickRefusal:
    """Answers `refusal` to whoever posts to `path` while the desk is full; else asks the app."""

    def __init__(
        self, app: ASGIApp, path: str, refusal: Response, desk: Desk, metrics: Metrics
    ) -> None:
        self._app, self._desk = app, desk
        self._asked = ("http", "POST", path)
        headers = MutableHeaders(raw=list(refusal.raw_headers))
        secure(headers)
        status = refusal.status_code
        self._start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": headers.raw,
        }
        self._body: Message = {"type": "http.response.body", "body": bytes(refusal.body)}
        self._count = metrics.requests.labels(str(status)).inc
        self._observe = metrics.seconds.observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass the request on."""
        asked = (scope["type"], scope.get("method"), scope.get("path"))
        if asked != self._asked or not self._desk.is_full:
            await self._app(scope, receive, send)
            return
        self._observe(0.0)
        self._count()
        await send(self._start)
        await send(self._body)
