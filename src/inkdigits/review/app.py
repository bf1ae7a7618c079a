"""The review's routes: items to decide, their pictures, decisions, progress, exports, the page."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from inkdigits.errors import Conflict, InkdigitsError
from inkdigits.files import write_text
from inkdigits.review import requests as asked
from inkdigits.review.desk import Desk, Handed
from inkdigits.review.export import write_corrected, write_labels
from inkdigits.review.guard import OwnPageOnly, json_of
from inkdigits.review.progress import progress
from inkdigits.review.views import Views
from inkdigits.serving.app import Handler, as_json, named, other_method, problem, unexpected
from inkdigits.serving.crew import Crew
from inkdigits.serving.desk import Desk as Readers
from inkdigits.serving.headers import SecurityHeaders
from inkdigits.serving.metrics import Metrics
from inkdigits.serving.page_files import PAGE as READING_PAGE
from inkdigits.serving.reader_process import Options
from inkdigits.serving.settings import ServiceSettings

PAGE = Path(__file__).parent / "page"
SHARED = ("page.css", "dom.js", "marks.js", "icon.svg")
"""What the page has from the reading service's page."""
AHEAD = 8
"""So many more pictures are made than are handed out."""
TABLES = ("csv", "jsonl", "parquet")
LABELS = "labels.zip"


@dataclass(frozen=True)
class Review:
    """What a service of a review is made of.

    `results` is the table, `target` the share of errors, 0–1, that is wanted; `options` are those
    that the results were made with; `hosts` the names that the service answers to, None for any.
    """

    results: Path
    desk: Desk
    options: Options
    target: float
    hosts: frozenset[str] | None = None


def create_app(review: Review, settings: ServiceSettings, crew: Crew | None = None) -> Starlette:
    """Return the service of a review as an ASGI application; its readers start and end with it."""
    readers = Readers(settings, Metrics(), crew)
    views = Views(review.desk.items, readers, review.options)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await readers.start()
        yield
        await views.stop()
        await readers.stop()

    routes = [
        *desk_routes(review, views),
        *item_routes(review, views),
        *export_routes(review),
        *health_routes(readers),
    ]
    # Otherwise the page would answer for a route that is asked in another way.
    others = [Route(route.path, other_method(route)) for route in routes]
    shared = [Route(f"/{name}", to_file(READING_PAGE / name), methods=["GET"]) for name in SHARED]
    page = Mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    handlers: Any = {InkdigitsError: named, HTTPException: other, Exception: unexpected}
    app = Starlette(
        routes=[*routes, *others, *shared, page], exception_handlers=handlers, lifespan=lifespan
    )
    app.add_middleware(OwnPageOnly, hosts=review.hosts)
    app.add_middleware(SecurityHeaders)
    app.state.desk = readers
    return app


def desk_routes(review: Review, views: Views) -> list[Route]:
    """Return what reviewers do: get items, decide, take back, leave."""
    desk = review.desk
    turn = asyncio.Lock()  # a decision is on the disk before anything else is answered

    async def body_of(request: Request) -> dict[str, Any]:
        body = await json_of(request)
        if asked.optional_name(body, "table") not in {None, desk.table}:
            raise Conflict("this page is of another table.", "Reload it.")
        return body

    async def following(request: Request) -> Response:
        body = await body_of(request)
        reviewer, wanted = asked.name_in(body, "reviewer"), asked.filter_in(body)
        n = len(desk.items)
        count = asked.whole_in(body, "count", asked.MOST_AT_ONCE)
        holding = asked.holding_in(body, n)
        passed = asked.wholes_in(body, "passed", n)
        async with turn:
            lost = desk.hold(reviewer, holding)
            desk.pass_over(reviewer, passed)
            handed = desk.hand_out(reviewer, wanted, count)
            coming = desk.coming(reviewer, wanted, AHEAD)
        views.prepare([*(one.index for one in handed), *coming])
        items = [described(desk, one) for one in handed]
        state = {"items": items, "lost": lost, "left": desk.left(wanted), "table": desk.table}
        return as_json(state)

    async def decide(request: Request) -> Response:
        body = await body_of(request)
        parts = (
            asked.name_in(body, "id"),
            asked.name_in(body, "reviewer"),
            asked.whole_in(body, "item", len(desk.items)),
            asked.verdict_in(body),
            asked.text_in(body),
            asked.optional_name(body, "replaces"),
        )
        async with turn:
            await asyncio.to_thread(desk.decide, *parts)
        return as_json({"kept": parts[0]})

    async def undo(request: Request) -> Response:
        body = await body_of(request)
        parts = [asked.name_in(body, field) for field in ("id", "reviewer", "undoes")]
        async with turn:
            await asyncio.to_thread(desk.undo, *parts)
        return as_json({"kept": parts[0]})

    async def release(request: Request) -> Response:
        body = await json_of(request)
        reviewer = asked.name_in(body, "reviewer")
        async with turn:
            desk.release(reviewer, leaves=body.get("leaves") is True)
        return as_json({"released": reviewer})

    handlers = {"next": following, "decisions": decide, "undo": undo, "release": release}
    return [Route(f"/v1/{name}", handle, methods=["POST"]) for name, handle in handlers.items()]


def described(desk: Desk, handed: Handed) -> dict[str, Any]:
    """Return what the page is told of an item that is handed out."""
    item, decision = desk.items[handed.index], desk.decided(handed.index)
    spot = item.key.spot
    seen = None
    if decision is not None:
        seen = {"id": decision.id, "verdict": decision.verdict, "text": decision.text}
    return {
        "item": handed.index,
        "image": item.key.image.encode(errors="backslashreplace").decode(),
        "page": spot.page if spot is not None else None,
        "status": item.status,
        "reason": item.reason,
        "error": item.error,
        "text": item.text,
        "confidence": item.confidence,
        "check": handed.check,
        "decision": seen,
    }


def item_routes(review: Review, views: Views) -> list[Route]:
    """Return what tells of one item: how it looks, and what it may say."""

    def index_in(request: Request) -> int:
        text = request.path_params["item"]
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise HTTPException(404, "Not Found")
        if int(text) >= len(review.desk.items):
            raise HTTPException(404, "Not Found")
        return int(text)

    async def view(request: Request) -> Response:
        return as_json((await views.of(index_in(request))).told)

    async def picture(request: Request) -> Response:
        found = await views.of(index_in(request))
        if not found.png:
            raise HTTPException(404, "Not Found")
        return Response(found.png, media_type="image/png")

    return [
        Route("/v1/items/{item}", view, methods=["GET"]),
        Route("/v1/items/{item}/picture", picture, methods=["GET"]),
    ]


def export_routes(review: Review) -> list[Route]:
    """Return progress, and what can be taken along."""

    async def told(request: Request) -> Response:
        target = request.query_params.get("target")
        share = review.target if target is None else asked.share_in(target, "target")
        formats = [kind for kind in TABLES if kind != "parquet" or find_spec("pyarrow")]
        state = await progress(review.desk, share)
        return as_json(state | {"results": review.results.name, "formats": formats})

    async def table(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in TABLES:
            raise HTTPException(404, "Not Found")
        name = f"{review.results.stem}-corrected.{kind}"
        return await made(name, lambda path: write_corrected(review.results, book, path))

    async def labels(_request: Request) -> Response:
        return await made(LABELS, zip_labels)

    def zip_labels(path: Path) -> None:
        folder = path.parent / "labels"
        _, failed = write_labels(review.results, book, folder)
        if failed:
            write_text(folder / "left-out.txt", "".join(f"{why}\n" for why in failed))
        shutil.make_archive(str(path.with_suffix("")), "zip", folder)

    book = review.desk.book
    return [
        Route("/v1/progress", told, methods=["GET"]),
        Route("/v1/corrected.{kind}", table, methods=["GET"]),
        Route(f"/v1/{LABELS}", labels, methods=["GET"]),
    ]


async def made(name: str, write: Any) -> Response:
    """Return a file that `write` makes at the path it is given, deleted once it is sent."""
    folder = Path(tempfile.mkdtemp(prefix="inkdigits-"))
    clean = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    try:
        await asyncio.to_thread(write, folder / name)
    except BaseException:
        await clean()
        raise
    return FileResponse(folder / name, filename=name, background=clean)


def health_routes(readers: Readers) -> list[Route]:
    """Return what tells whether the service lives, and whether it can show items."""

    async def healthz(_request: Request) -> Response:
        return as_json({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        readers.check_ready()
        return as_json({"status": "ready"})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]


def to_file(path: Path) -> Handler:
    """Return what answers with a file."""

    async def send(_request: Request) -> Response:
        return FileResponse(path)

    return send


async def other(_request: Request, error: HTTPException) -> Response:
    """Answer what Starlette refuses: an unknown path or item, a wrong method."""
    return problem(error.status_code, f"{error.detail}.", "Open /.", headers=error.headers)
