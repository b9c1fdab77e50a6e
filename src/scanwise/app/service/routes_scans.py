"""Scans, what a viewer draws of them, and jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from scanwise.app.service import frames, models, selections
from scanwise.app.service.engine import Engine
from scanwise.app.service.jobs import FINISHED, Job
from scanwise.app.service.problems import Problem, not_found
from scanwise.app.service.uploads import checked_name, receive

_PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 415, 421, 422, 429, 503, 507)
PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": models.ProblemFacts} for status in _PROBLEMS}
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}
router = APIRouter(responses=PROBLEMS)
Id = Annotated[str, Path(max_length=40)]
_ASK_AGAIN = 0.05  # seconds between looks at a job
_ALIVE = 10.0  # seconds after which a stream says that it lives


def engine_of(request: Request) -> Engine:
    """The engine of a request's service."""
    engine: Engine = request.app.state.engine
    return engine


Service = Annotated[Engine, Depends(engine_of)]


def told(engine: Engine, job: Job) -> models.JobFacts:
    """What is said of a job."""
    return models.JobFacts(**job.facts(), before=engine.jobs.place(job))


# Scans


@router.get("/scans", tags=["scans"])
def scans(engine: Service) -> list[models.ScanFacts]:
    """The scans below the root, and uploaded ones."""
    return [_scan_facts(engine, scan.id) for scan in engine.scans.all()]


_CLOUD = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


@router.post("/scans", status_code=201, tags=["scans"], openapi_extra=_CLOUD)
async def upload(engine: Service, request: Request, name: Annotated[str, Query(max_length=200)]) -> models.ScanFacts:
    """Takes a scan: the body is the file as it is, of the name that the query gives."""
    if engine.settings.only is not None:
        raise Problem("this service shows one scan and takes no others", 403, "only")
    length = request.headers.get("content-length", "")
    number = await receive(
        request.stream(), checked_name(name), engine.uploads, declared=int(length) if length.isdigit() else None,
        most=engine.settings.upload, room=engine.settings.disk,
    )  # fmt: skip
    engine.scans.forget()
    return _scan_facts(engine, number)


@router.delete("/scans/{scan}", status_code=204, tags=["scans"])
def delete(engine: Service, scan: Id) -> Response:
    """Deletes an upload, its results and its corrections; what lies below the root is never deleted."""
    import shutil

    found = engine.scans.find(scan)
    if not found.uploaded:
        raise Problem(f"{found.name}: was not uploaded, and is not deleted", 403, "kept")
    engine.memory.drop(found.id)
    engine.records.remove_scan(found.id)
    shutil.rmtree(found.path.parent, ignore_errors=True)
    engine.scans.forget()
    return Response(status_code=204)


def _scan_facts(engine: Engine, number: str) -> models.ScanFacts:
    scan = engine.scans.find(number)
    results = len(engine.records.of(scan.id))
    is_open = engine.memory.is_open(scan.id)
    return models.ScanFacts(id=scan.id, name=scan.name, uploaded=scan.uploaded, open=is_open, results=results)


@router.post("/scans/{scan}/open", status_code=202, tags=["scans"])
def open_scan(engine: Service, scan: Id) -> models.JobFacts:
    """Reads a scan into memory, for everything that is looked at; labelling and asking do it themselves."""
    return told(engine, engine.open(scan))


@router.get("/scans/{scan}", tags=["scans"])
def scan_facts(engine: Service, scan: Id) -> models.OpenFacts:
    """What is known of a scan that is open."""
    return models.OpenFacts(**engine.opened(scan).facts)


# What is drawn


@router.get("/scans/{scan}/cubes", tags=["viewing"])
def cubes(engine: Service, scan: Id) -> models.Cubes:
    """The levels of detail of a scan: cubes within cubes, a sample of points in each."""
    detail = engine.opened(scan).detail
    rows = np.column_stack(
        [detail.parents, detail.starts, detail.counts, detail.corners.reshape(-1, 3), detail.sizes, detail.spacings]
    )
    return models.Cubes(points=len(detail.order), rows=rows.tolist())


@router.get("/scans/{scan}/cubes/{cube}", tags=["viewing"], response_class=Response, responses=BYTES)
def cube(engine: Service, scan: Id, cube: Annotated[int, Path(ge=0, le=2**31)]) -> Response:
    """A cube's points: uint16 x y z along its edge, then uint8 r g b, then (where known) int8 normals x y z."""
    opened = engine.opened(scan)
    if cube >= len(opened.detail):
        raise not_found("cube")
    start, count = int(opened.detail.starts[cube]), int(opened.detail.counts[cube])
    rows = opened.detail.order[start : start + count]
    colors = opened.scene.colors
    parts = [opened.detail.quantised(opened.scene.points, cube).tobytes()]
    parts.append(np.full((count, 3), 150, np.uint8).tobytes() if colors is None else colors[rows].tobytes())
    if opened.normals is not None:
        parts.append((np.clip(opened.normals[rows], -1, 1) * 127).astype(np.int8).tobytes())
    return binary(b"".join(parts))


@router.get("/scans/{scan}/order", tags=["viewing"], response_class=Response, responses=BYTES)
def order(engine: Service, scan: Id) -> Response:
    """Row in the file of each point in the viewer's order, int32."""
    return binary(engine.opened(scan).detail.order.astype("<i4").tobytes())


@router.post("/scans/{scan}/point", tags=["viewing"])
def point(engine: Service, scan: Id, at: models.At) -> models.PointFacts:
    """A point as the scan's file has it."""
    opened = engine.opened(scan)
    return models.PointFacts(**selections.point_facts(opened, selections.row_of(opened, at.model_dump())))


@router.get("/scans/{scan}/frames", tags=["viewing"])
def cameras(engine: Service, scan: Id) -> list[models.Camera]:
    """Where the pictures of a recording were taken; of many, 240 evenly among them."""
    return [models.Camera(**each) for each in frames.cameras(engine.opened(scan))]


@router.get("/scans/{scan}/frames/{number}/picture", tags=["viewing"], response_class=Response,
            responses={200: {"content": {"image/jpeg": {}}}})  # fmt: skip
def picture(engine: Service, scan: Id, number: Annotated[int, Path(ge=0, le=2**31)]) -> Response:
    """A picture of a recording."""
    return Response(frames.picture(frames.view_of(engine.opened(scan), number)), media_type="image/jpeg")


@router.get("/scans/{scan}/frames/{number}/points", tags=["viewing"], response_class=Response, responses=BYTES)
def seen(engine: Service, scan: Id, number: Annotated[int, Path(ge=0, le=2**31)]) -> Response:
    """Which point each pixel of a (smaller) picture shows: int32 width, height, then places in the viewer's order."""
    points, width, height = frames.points_seen(engine.opened(scan), number)
    return binary(np.array([width, height], "<i4").tobytes() + points.astype("<i4").tobytes())


def binary(content: bytes) -> Response:
    """Bytes."""
    return Response(content, media_type="application/octet-stream")


# Jobs


@router.get("/jobs", tags=["jobs"])
def jobs(engine: Service) -> list[models.JobFacts]:
    """The jobs of this run of the service, the newest last."""
    return [told(engine, job) for job in engine.jobs.all()]


@router.get("/jobs/{job}", tags=["jobs"])
def job_facts(engine: Service, job: Id) -> models.JobFacts:
    """How far a job is; also of those that ended before the service was started anew."""
    try:
        return told(engine, engine.jobs.find(job))
    except Problem:
        ended = engine.records.ended(job)
        if ended is None:
            raise
        return models.JobFacts(**ended)


@router.delete("/jobs/{job}", tags=["jobs"])
def cancel(engine: Service, job: Id) -> models.JobFacts:
    """Takes a job back; one that runs ends when its stage next tells how far it is."""
    return told(engine, engine.jobs.cancel(job))


@router.get("/jobs/{job}/events", tags=["jobs"], response_class=StreamingResponse,
            responses={200: {"content": {"text/event-stream": {}}}})  # fmt: skip
async def events(engine: Service, job: Id) -> StreamingResponse:
    """How far a job is, as server-sent events until it ends."""
    found = engine.jobs.find(job)
    return StreamingResponse(_stream(engine, found), media_type="text/event-stream")


async def _stream(engine: Engine, job: Job) -> AsyncIterator[str]:
    sent, silent = None, 0.0
    while True:
        facts = told(engine, job)
        if (now := (facts.version, facts.state, facts.before)) != sent:
            yield f"event: progress\ndata: {json.dumps(facts.model_dump())}\n\n"
            sent, silent = now, 0.0
        if facts.state in FINISHED:
            return
        await asyncio.sleep(_ASK_AGAIN)
        silent += _ASK_AGAIN
        if silent > _ALIVE:
            yield ": still here\n\n"
            silent = 0.0
