"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from scanwise.app.service import routes_corrections, routes_results, routes_scans
from scanwise.app.service.engine import Engine
from scanwise.app.service.guard import Guard
from scanwise.app.service.models import Health
from scanwise.app.service.problems import Problem
from scanwise.app.service.settings import Settings
from scanwise.errors import ScanwiseError

_PAGE = Path(__file__).parent / "page"
_ABOUT = """Scans, understood from few labels: open one, label it with any words, ask it sentences, correct and learn.

What takes longer than a moment is a **job**: the answer is 202 with its id; `GET /api/jobs/{id}/events` streams how far
it is. Every coordinate is in the scan's own frame and unit unless it says otherwise."""


def application(settings: Settings) -> FastAPI:
    """The service.

    Args:
        settings: of it.

    Raises:
        InputError: its folder for results is of something else.
    """
    engine = Engine(settings)

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        yield
        engine.close()

    app = FastAPI(
        title="scanwise", version=_version(), description=_ABOUT, lifespan=living, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json",
    )  # fmt: skip
    app.state.engine = engine
    _errors(app)
    for routes in (routes_scans, routes_results, routes_corrections):
        app.include_router(routes.router, prefix="/api")

    @app.get("/api/health", tags=["service"])
    def health() -> Health:
        """Says that the service lives, and what a page needs before it brings a token."""
        only = engine.scans.all()[0].id if settings.only else None
        token = settings.token is not None
        return Health(name="scanwise", version=_version(), token=token, only=only, words=settings.words)

    app.mount("/page", StaticFiles(directory=_PAGE))

    @app.get("/", include_in_schema=False)
    def page() -> Any:
        from fastapi.responses import FileResponse

        return FileResponse(_PAGE / "index.html", headers={"cache-control": "no-cache"})

    app.add_middleware(Guard, settings=settings)
    return app


def _errors(app: FastAPI) -> None:
    @app.exception_handler(ScanwiseError)
    async def problem(request: Request, error: ScanwiseError) -> JSONResponse:
        status, code = (error.status, error.code) if isinstance(error, Problem) else (422, "input")
        headers = {"retry-after": "5"} if status == 429 else None
        return JSONResponse({"detail": " ".join(str(error).split()), "code": code}, status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        told = []
        for each in error.errors()[:3]:
            where = ".".join(str(part) for part in each["loc"] if part not in ("body", "query", "path"))
            told.append(f"{where}: {each['msg']}".strip(": "))
        return JSONResponse({"detail": "; ".join(told), "code": "invalid"}, 422)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"detail": str(error.detail), "code": "http"}, error.status_code, error.headers)


def _version() -> str:
    try:
        return version("scanwise")
    except PackageNotFoundError:
        return "0"
