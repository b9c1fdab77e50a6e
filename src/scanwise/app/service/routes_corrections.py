"""Selections, corrections, what is learned from them, and their exports."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from scanwise.app.service import models, selections
from scanwise.app.service.masks import mask_of
from scanwise.app.service.opened import Opened
from scanwise.app.service.routes_results import selected_facts
from scanwise.app.service.routes_scans import PROBLEMS, Id, Service, told

router = APIRouter(responses=PROBLEMS)
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


@router.post("/scans/{scan}/selections", tags=["corrections"])
def select(engine: Service, scan: Id, request: models.Selection) -> models.Selected:
    """The points that a click, a stroke or a lasso means; nothing is kept."""
    opened = engine.opened(scan)
    labels = _labels(engine, opened, request.result)
    mask = selections.selected(opened, labels, request.model_dump())
    number = -1
    if labels is not None and mask.any():
        objects = labels.object_of[mask]
        number = int(objects[0]) if (objects == objects[0]).all() else -1
    return selected_facts(opened, mask, number)


@router.post("/scans/{scan}/splits", tags=["corrections"])
def split(engine: Service, scan: Id, request: models.Mask) -> models.PartsFacts:
    """What a thing falls into; one part where it cannot be split."""
    from scanwise.understand.editing import split_thing

    opened = engine.opened(scan)
    mask = mask_of(request.model_dump(), len(opened.scene), opened.detail.order)
    if not mask.any():
        return models.PartsFacts(parts=[])
    return models.PartsFacts(parts=[selected_facts(opened, part, -1) for part in split_thing(opened.prepared, mask)])


def _labels(engine: Any, opened: Opened, result: str | None) -> Any:
    return None if result is None else engine.labels(opened, engine.result(result, "labels"))[0]


@router.get("/scans/{scan}/corrections", tags=["corrections"])
def corrections(engine: Service, scan: Id) -> models.CorrectionsFacts:
    """The corrections that are in force, the oldest first, and what was learned from them."""
    return _facts(engine.opened(scan))


@router.get("/scans/{scan}/revision", tags=["corrections"])
def revision(engine: Service, scan: Id) -> int:
    """A number that grows with every correction, by whomever."""
    return engine.opened(scan).store.revision


@router.post("/scans/{scan}/corrections", status_code=201, tags=["corrections"])
def correct(engine: Service, scan: Id, request: models.CorrectionsRequest) -> models.CorrectionsFacts:
    """Keeps corrections; they are on disk when the answer comes."""
    from scanwise.understand.corrections import Correction

    opened = engine.opened(scan)
    made = []
    for each in request.corrections:
        mask = mask_of(each.mask.model_dump(), len(opened.scene), opened.detail.order)
        text = " ".join(each.text.split())
        made.append(Correction(each.kind, mask, text, how=each.how, whole=each.whole, author=request.author))
    engine.correct(opened, made)
    return _facts(opened)


@router.post("/scans/{scan}/shrink", status_code=201, tags=["corrections"])
def shrink(engine: Service, scan: Id, request: models.ShrinkRequest) -> models.CorrectionsFacts:
    """Shrinks a thing, and keeps that: what is left of it has its word, its border that of what lies beside."""
    from scanwise.understand.editing import shrink_corrections

    opened = engine.opened(scan)
    mask = mask_of(request.mask.model_dump(), len(opened.scene), opened.detail.order)
    labels = _labels(engine, opened, request.result)
    surface = opened.prepared.surface
    engine.correct(opened, shrink_corrections(labels, surface, mask, request.steps, author=request.author))
    return _facts(opened)


@router.post("/scans/{scan}/undo", tags=["corrections"])
def undo(engine: Service, scan: Id, request: models.AuthorRequest) -> models.CorrectionsFacts:
    """Takes the last correction back."""
    opened = engine.opened(scan)
    opened.store.undo(request.author or None)
    return _facts(opened)


@router.post("/scans/{scan}/redo", tags=["corrections"])
def redo(engine: Service, scan: Id, request: models.AuthorRequest) -> models.CorrectionsFacts:
    """Puts a correction that was taken back in force again."""
    opened = engine.opened(scan)
    opened.store.redo(request.author or None)
    return _facts(opened)


def _facts(opened: Opened) -> models.CorrectionsFacts:
    from scanwise.app.service.engine import _plain

    store = opened.store
    kept = [
        models.CorrectionFacts(
            id=each.id, created=each.created, author=each.author, kind=each.kind, text=each.text, how=each.how,
            points=int(np.count_nonzero(each.mask)),
        )
        for each in store.corrections()
    ]  # fmt: skip
    return models.CorrectionsFacts(
        revision=store.revision, can_undo=store.can_undo(), can_redo=store.can_redo(),
        learned=getattr(opened.prepared, "learned", None) is not None, history=_plain(store.history()),
        corrections=kept,
    )  # fmt: skip


@router.get("/scans/{scan}/corrections.csv", tags=["corrections"], response_class=Response, responses=_TEXT)
def table(engine: Service, scan: Id) -> PlainTextResponse:
    """A row a correction."""
    from scanwise.understand.correction_files import csv_text

    opened = engine.opened(scan)
    return _file(csv_text(opened.store, opened.scene), "corrections.csv")


@router.get("/scans/{scan}/sentences.jsonl", tags=["corrections"], response_class=Response, responses=_TEXT)
def sentences(engine: Service, scan: Id) -> PlainTextResponse:
    """What sentences mean, a line each, as `scanwise train less --from` reads it beside the scan."""
    from scanwise.understand.correction_files import sentences_text

    opened = engine.opened(scan)
    return _file(sentences_text(opened.store, opened.scan.path.parent), "sentences.jsonl")


def _file(text: str, name: str) -> PlainTextResponse:
    return PlainTextResponse(text, headers={"content-disposition": f'attachment; filename="{name}"'})


@router.post("/scans/{scan}/learn", status_code=202, tags=["learning"])
def learn(engine: Service, scan: Id, request: models.TextsRequest) -> models.JobFacts:
    """Learns from the corrections, and labels the scan anew."""
    return told(engine, engine.learn(scan, request.texts))


@router.post("/scans/{scan}/revert", status_code=202, tags=["learning"])
def revert(engine: Service, scan: Id, request: models.TextsRequest) -> models.JobFacts:
    """Goes back to what was in force before the last learning, and labels the scan anew."""
    return told(engine, engine.revert(scan, request.texts))
