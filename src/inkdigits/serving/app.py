"""The service's routes: read, inspect, health, metrics, the models, and the page."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.errors import InkdigitsError, InvalidData, TooBusy
from inkdigits.reading.result import Reading
from inkdigits.serving.crew import Crew
from inkdigits.serving.desk import Desk
from inkdigits.serving.headers import PageFiles, SecurityHeaders
from inkdigits.serving.metrics import Metrics
from inkdigits.serving.openapi import openapi
from inkdigits.serving.page_files import PAGE
from inkdigits.serving.query import NAME, options_of
from inkdigits.serving.reader_process import Answer, Job
from inkdigits.serving.refusal import QuickRefusal
from inkdigits.serving.requests import UNNAMED, check_key, uploads_of
from inkdigits.serving.settings import ServiceSettings

DIGIT_MODEL = Path(__file__).parent.parent / "reading" / "assets" / "digit.onnx"
READ = "/v1/read"
RETRY_SECONDS = 1
Handler = Callable[[Request], Awaitable[Response]]
Told = tuple[str, Answer]
"""How an image is called, and what became of it."""

# Not every machine's own table knows these.
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/wasm", ".wasm")


def create_app(
    settings: ServiceSettings, crew: Crew | None = None, *, patient: bool = True
) -> Starlette:
    """Return the service as an ASGI application; its processes start and end with it.

    A `crew` may be there already. One that is not `patient` answers 503 while it starts, instead of
    nothing at all; what keeps it from starting is then its desk's `failure`.
    """
    metrics = Metrics()
    desk = Desk(settings, metrics, crew)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await desk.start() if patient else desk.open()
        yield
        await desk.stop()

    routes = [
        *reading_routes(desk, metrics, settings),
        *health_routes(desk, metrics),
        Route("/digit.onnx", digit_model(desk, settings), methods=["GET"]),
    ]
    # Otherwise the page would answer for a route that is asked in another way.
    others = [Route(route.path, other_method(route)) for route in routes]
    page = Mount("/", PageFiles(directory=PAGE, html=True), name="page")
    handlers: Any = {InkdigitsError: named, HTTPException: other, Exception: unexpected}
    app = Starlette(routes=[*routes, *others, page], exception_handlers=handlers, lifespan=lifespan)
    app.add_middleware(SecurityHeaders)
    if settings.api_key is None:  # else nobody is told anything before the key was seen
        busy = answer_of(desk.too_busy())
        app.add_middleware(QuickRefusal, path=READ, refusal=busy, desk=desk, metrics=metrics)
    app.state.desk = desk
    return app


def reading_routes(desk: Desk, metrics: Metrics, settings: ServiceSettings) -> list[Route]:
    """Return what reads, and what tells of the model that does."""

    async def answered(request: Request, wanted: Any, most: int | None = None) -> list[Told]:
        check_key(request, settings.api_key)
        options = options_of(request)
        desk.check_ready()
        name = request.query_params.get(NAME, UNNAMED)
        with desk.place():  # before the image is sent: else any number of them are held
            uploads = (await uploads_of(request, settings, name))[:most]
            jobs = [Job(upload.name, upload.content, options, wanted) for upload in uploads]
            answers = await unless_gone(request, desk.read(jobs))
        return [(job.name, answer) for job, answer in zip(jobs, answers, strict=True)]

    async def read(request: Request) -> Response:
        return reading_of(await answered(request, "reading"))

    async def inspect(request: Request) -> Response:
        ((_, answer),) = await answered(request, "picture", most=1)
        if answer.hint is not None:
            return refusal(answer)
        return Response(answer.body, media_type="image/png")

    async def model(request: Request) -> Response:
        check_key(request, settings.api_key)
        return as_json(desk.metadata)

    return [
        Route(READ, counted(read, metrics), methods=["POST"]),
        Route("/v1/inspect", inspect, methods=["POST"]),
        Route("/v1/model", model, methods=["GET"]),
    ]


async def unless_gone(request: Request, work: Coroutine[Any, Any, list[Answer]]) -> list[Answer]:
    """Return what `work` does; break it off, and raise InvalidData, once nobody waits for it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())  # the body is read: the next is the end
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise InvalidData("the request was broken off.")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def reading_of(told: list[Told]) -> Response:
    """Return one answer as it is, several as a list; what all were refused for is an error."""
    refused = next((answer for _, answer in told if answer.result == "refused"), None)
    if refused is not None:
        return refusal(refused)
    if len(told) == 1:
        ((_, answer),) = told
        if answer.hint is not None:
            return refusal(answer)
        return Response(answer.body, answer.status, media_type="application/json")
    bodies = b", ".join(
        answer.body if answer.hint is None else json.dumps(failed(name, answer)).encode()
        for name, answer in told
    )
    return Response(b'{"readings": [' + bodies + b"]}", media_type="application/json")


def refusal(answer: Answer) -> Response:
    """Return an answer that tells of an error in the shape of all errors."""
    return problem(answer.status, answer.body.decode(), answer.hint or "")


def failed(name: str, answer: Answer) -> dict[str, Any]:
    """Return an answer that tells of an error as what became of one image among others."""
    reading = Reading(name, "error", "", 0.0, (), error=answer.body.decode())
    return reading.to_dict()


def counted(handle: Handler, metrics: Metrics) -> Handler:
    """Return `handle`, each request counted, with how long it took."""

    async def measured(request: Request) -> Response:
        started = time.perf_counter()
        try:
            response = await handle(request)
        except InkdigitsError as error:
            response = await named(request, error)
        metrics.seconds.observe(time.perf_counter() - started)
        metrics.requests.labels(str(response.status_code)).inc()
        return response

    return measured


def health_routes(desk: Desk, metrics: Metrics) -> list[Route]:
    """Return what an operator asks, and what a programmer reads."""

    async def healthz(_request: Request) -> Response:
        return as_json({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        desk.check_ready()
        return as_json({"status": "ready"})

    async def figures(_request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def document(_request: Request) -> Response:
        return as_json(openapi())

    async def docs(_request: Request) -> Response:
        from inkdigits.serving.docs import docs_page

        return Response(docs_page(openapi()), media_type="text/html; charset=utf-8")

    answers = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": figures,
        "/openapi.json": document,
        "/docs": docs,
    }
    return [Route(path, handle, methods=["GET"]) for path, handle in answers.items()]


def digit_model(desk: Desk, settings: ServiceSettings) -> Handler:
    """Return what answers with the model for single digits that the service itself reads with."""

    async def send(request: Request) -> Response:
        desk.check_ready()
        path = settings.model
        if path is None or desk.metadata["labels"] == LINE_LABELS:
            path = DIGIT_MODEL
        else:  # the bundled one is public
            check_key(request, settings.api_key)
        return FileResponse(path, media_type="application/octet-stream")

    return send


def other_method(route: Route) -> type[HTTPEndpoint]:
    """Return what refuses every method but those of `route`."""
    allowed = ", ".join(sorted(route.methods or ()))

    class Refusing(HTTPEndpoint):
        async def dispatch(self) -> None:
            raise HTTPException(405, headers={"Allow": allowed})

    return Refusing


async def named(_request: Request, error: InkdigitsError) -> Response:
    """Answer an error that was raised on purpose."""
    return answer_of(error)


def answer_of(error: InkdigitsError) -> Response:
    """Return what a client is told of an error."""
    return problem(error.http_status, error.message, error.hint, isinstance(error, TooBusy))


async def other(_request: Request, error: HTTPException) -> Response:
    """Answer what Starlette refuses: an unknown path, a wrong method."""
    return problem(error.status_code, f"{error.detail}.", "See /docs.", headers=error.headers)


async def unexpected(_request: Request, error: Exception) -> Response:
    """Answer a fault."""
    return problem(500, f"unexpected {type(error).__name__}.", "Please report it.")


def as_json(content: dict[str, Any], status: int = 200, headers: Any = None) -> Response:
    """Return `content` as the command line prints it."""
    return Response(json.dumps(content), status, headers, media_type="application/json")


def problem(
    status: int, message: str, hint: str, retry: bool = False, headers: Any = None
) -> Response:
    """Return an error in the one shape that all have."""
    told = {"error": {"status": int(status), "message": message, "hint": hint}}
    response = as_json(told, status, headers)
    if retry:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
