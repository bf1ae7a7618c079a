"""The service's routes: read, health, metrics, the model, and the page."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from inkdigits import __version__
from inkdigits.errors import InkdigitsError, TooBusy, UsageError
from inkdigits.reading.reader import Layout
from inkdigits.serving.desk import Desk, Options
from inkdigits.serving.headers import SecurityHeaders
from inkdigits.serving.metrics import Metrics
from inkdigits.serving.requests import check_key, uploads_of
from inkdigits.serving.settings import ServiceSettings

PAGE = Path(__file__).parent / "page"
RETRY_SECONDS = 1
EXAMPLE = {
    "image": "cheque.png",
    "status": "ok",
    "text": "2348",
    "confidence": 0.987,
    "numbers": [{"text": "2348", "confidence": 0.987, "box": [12, 8, 140, 44], "digits": []}],
}
ERROR = {"error": {"status": 413, "message": "the request has …", "hint": "Send a smaller image."}}
IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/png": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            },
        },
    }
}


def create_app(settings: ServiceSettings) -> FastAPI:
    """Return the service as an ASGI application; raises ModelRefused."""
    metrics = Metrics()
    desk = Desk(settings, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await desk.start()
        yield
        await desk.stop()

    app = FastAPI(
        title="inkdigits",
        version=__version__,
        summary="Reads handwritten digits and numbers.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.add_middleware(SecurityHeaders)
    add_errors(app)
    add_reading(app, desk, metrics, settings)
    add_health(app, desk, metrics)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return app


def add_errors(app: FastAPI) -> None:
    """Give every error the same shape."""

    @app.exception_handler(InkdigitsError)
    async def named(_request: Request, error: InkdigitsError) -> Response:
        return problem(error.http_status, error.message, error.hint, isinstance(error, TooBusy))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = first["loc"][-1]
        message = f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}, got {first['input']!r}."
        return problem(UsageError.http_status, message, "See /docs.")

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, f"{error.detail}.", "See /docs.")


def add_reading(app: FastAPI, desk: Desk, metrics: Metrics, settings: ServiceSettings) -> None:
    """Add what reads, and what tells of the model that does."""
    told: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {"example": EXAMPLE}}},
        **{
            code: {"content": {"application/json": {"example": ERROR}}}
            for code in (400, 401, 408, 413, 415, 422, 429, 503)
        },
    }

    @app.post("/v1/read", responses=told, openapi_extra=IMAGE_BODY, response_class=Response)
    async def read(
        request: Request,
        layout: Annotated[Layout, Query(description="What an image holds.")] = "auto",
        length: Annotated[int | None, Query(description="A number has so many digits.")] = None,
        pattern: Annotated[str | None, Query(description="A number matches it, whole.")] = None,
        checksum: Annotated[str | None, Query(description="A number passes it: luhn …")] = None,
        most: Annotated[int | None, Query(alias="max", description="The largest number.")] = None,
        top: Annotated[int, Query(ge=1, le=100, description="So many texts of each.")] = 1,
        target_error: Annotated[
            float | None, Query(ge=0, le=1, description="At most this share is wrong.")
        ] = None,
    ) -> Response:
        """Read the digits and numbers in an image, or in each file of a form.

        One image is answered by its reading, the JSON that `inkdigits read --json` prints; a form
        of several by `{"readings": […]}`, each with its own status.
        """
        check_key(request, settings.api_key)
        desk.check_ready()
        options = Options(layout, length, pattern, checksum, most, top, target_error)
        uploads = await uploads_of(request, settings)
        readings = await desk.read(uploads, options)
        if len(readings) > 1:
            return as_json({"readings": [reading.to_dict() for reading in readings]})
        failed = readings[0].error is not None
        return as_json(readings[0].to_dict(), 422 if failed else 200)

    @app.get("/v1/model")
    async def model(request: Request) -> Response:
        """Return what the model says about itself."""
        check_key(request, settings.api_key)
        return as_json(asdict(desk.reader.metadata))

    @app.middleware("http")
    async def counted(request: Request, call_next: Callable[..., Any]) -> Response:
        if request.url.path != "/v1/read":
            return await call_next(request)  # type: ignore[no-any-return]
        started = time.perf_counter()
        response: Response = await call_next(request)
        metrics.seconds.observe(time.perf_counter() - started)
        metrics.requests.labels(str(response.status_code)).inc()
        return response


def add_health(app: FastAPI, desk: Desk, metrics: Metrics) -> None:
    """Add what an operator asks."""

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answer as long as the process lives."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"content": {"application/json": {"example": ERROR}}}})
    async def readyz() -> dict[str, str]:
        """Answer 503 until an image was read, and while the service stops."""
        desk.check_ready()
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response)
    async def figures() -> Response:
        """Return the figures that Prometheus collects."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """Show the OpenAPI document as a page, without any request to another host."""
        from inkdigits.serving.docs import docs_page

        return Response(docs_page(app.openapi()), media_type="text/html; charset=utf-8")


def as_json(content: dict[str, Any], status: int = 200) -> Response:
    """Return `content` as the command line prints it."""
    return Response(json.dumps(content), status, media_type="application/json")


def problem(status: int, message: str, hint: str, retry: bool = False) -> Response:
    """Return an error in the one shape that all have."""
    response = as_json({"error": {"status": int(status), "message": message, "hint": hint}}, status)
    if retry:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
