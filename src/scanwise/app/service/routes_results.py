"""Words and sentences asked of scans, and what came of them."""

from __future__ import annotations

import tempfile
from pathlib import Path as File
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from scanwise.app.service import frames, masks, models
from scanwise.app.service.problems import not_found
from scanwise.app.service.routes_scans import BYTES, PROBLEMS, Id, Service, binary, told

router = APIRouter(responses=PROBLEMS)
_FORMATS = Literal["ply", "las", "laz", "pcd", "csv", "npz"]


@router.post("/scans/{scan}/labels", status_code=202, tags=["labels"])
def label(engine: Service, scan: Id, request: models.LabelRequest) -> models.JobFacts:
    """Labels every point with the likeliest of the words."""
    return told(engine, engine.label(scan, request.texts, request.unsure))


@router.post("/scans/{scan}/answers", status_code=202, tags=["answers"])
def ask(engine: Service, scan: Id, request: models.AskRequest) -> models.JobFacts:
    """Finds the points that a sentence means."""
    return told(engine, engine.ask(scan, request.sentence))


@router.get("/scans/{scan}/results", tags=["results"])
def results(engine: Service, scan: Id) -> list[models.ResultFacts]:
    """What jobs left of a scan, the newest first."""
    return [models.ResultFacts(**each.summary()) for each in engine.results(scan)]


@router.get("/results/{result}", tags=["results"])
def result_facts(engine: Service, result: Id) -> models.ResultFacts:
    """What a job left."""
    return models.ResultFacts(**engine.result(result).summary())


@router.delete("/results/{result}", status_code=204, tags=["results"])
def remove(engine: Service, result: Id) -> Response:
    """Takes a result away."""
    engine.records.remove(engine.result(result).id)
    return Response(status_code=204)


@router.get("/results/{result}/labels", tags=["labels"])
def labels(engine: Service, result: Id) -> models.LabelsFacts:
    """Words, counts and things of labels, with the corrections that are in force; the scan has to be open."""
    found = engine.result(result, "labels")
    return models.LabelsFacts(**engine.labels_summary(engine.opened_for(found), found))


@router.get("/results/{result}/columns", tags=["labels"], response_class=Response, responses=BYTES)
def columns(engine: Service, result: Id) -> Response:
    """Thing (int32), word (int16) and confidence (uint8) of each point in the viewer's order, column after column."""
    found = engine.result(result, "labels")
    opened = engine.opened_for(found)
    made, revision = engine.labels(opened, found)
    response = binary(engine.columns(opened, made))
    response.headers["x-revision"] = str(revision)
    return response


@router.get("/results/{result}/cloud", tags=["labels"], response_class=FileResponse, responses=BYTES)
def cloud(engine: Service, result: Id, format: Annotated[_FORMATS, Query()] = "ply") -> FileResponse:
    """The scan with label, confidence and object of each point, and whether it was corrected, as a file."""
    from scanwise.understand.correction_files import export_cloud

    found = engine.result(result, "labels")
    opened = engine.opened_for(found)
    made, _ = engine.labels(opened, found)
    said = np.zeros(len(opened.scene), bool)
    for each in opened.store.corrections():
        said |= each.mask & (each.kind != "meant")
    folder = tempfile.TemporaryDirectory(prefix="scanwise-")
    path = File(folder.name) / f"labels.{format}"
    export_cloud(made, path, said)
    return FileResponse(path, filename=path.name, media_type="application/octet-stream",
                        background=BackgroundTask(folder.cleanup))  # fmt: skip


@router.get("/results/{result}/mask", tags=["answers"])
def mask(engine: Service, result: Id, candidate: Annotated[int, Query(ge=-1, le=2)] = -1) -> models.Selected:
    """The points of an answer, or of one of its candidates, in the viewer's order."""
    found = engine.result(result, "answer")
    opened = engine.opened_for(found)
    return selected_facts(opened, _mask(engine, found.id, candidate), -1)


@router.get("/results/{result}/crops/{candidate}", tags=["answers"], response_class=Response,
            responses={200: {"content": {"image/png": {}}}})  # fmt: skip
def crop(engine: Service, result: Id, candidate: Annotated[int, Path(ge=0, le=2)]) -> Response:
    """A close picture of a candidate."""
    found = engine.result(result, "answer")
    opened = engine.opened_for(found)
    rows = np.flatnonzero(_mask(engine, found.id, candidate))
    if not len(rows):
        raise not_found("candidate")
    return Response(frames.crop(opened, rows), media_type="image/png")


def _mask(engine: Any, number: str, candidate: int) -> np.ndarray:
    arrays = engine.records.arrays(number)
    count = int(arrays["count"])
    if candidate < 0:
        return np.unpackbits(arrays["mask"], count=count).astype(bool)
    if f"rows{candidate}" not in arrays:
        raise not_found("candidate")
    mask = np.zeros(count, bool)
    mask[arrays[f"rows{candidate}"]] = True
    return mask


def selected_facts(opened: Any, mask: np.ndarray, number: int) -> models.Selected:
    """A mask as viewers take it, and how large it is."""
    from scanwise.geometry.objects import object_at

    rows, size = np.flatnonzero(mask & opened.scene.finite), [0.0, 0.0, 0.0]
    if len(rows):
        place = object_at(opened.scene.points, np.ones(len(mask), np.float32), rows).moved(opened.scene.to_source)
        size = np.round(place.size, 4).tolist()
    bits = masks.packed(mask[opened.detail.order])
    return models.Selected(bits=bits, points=len(rows), object=number, size=size, unit=opened.facts["unit"])
