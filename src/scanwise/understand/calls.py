"""A scan prepared, labelled or asked in one call: `Prepared` as functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import torch

from scanwise.methods.less.model import LESS
from scanwise.progress import Progress, silent
from scanwise.scene import Scene
from scanwise.understand.answer import Answer, check_sentences
from scanwise.understand.answering import SHIPPED_MODEL
from scanwise.understand.labels import Labels, check_texts
from scanwise.understand.learning import Learned
from scanwise.understand.prepared import Prepared
from scanwise.vision import Vision


def prepare(
    scene: Scene,
    *,
    vision: Vision | str | None = None,
    purify: str | Path | None = None,
    shapes: str | Path | None = None,
    things: str | Path | None = None,
    learned: Learned | str | Path | None = None,
    model: LESS | str | Path = SHIPPED_MODEL,
    device: str | torch.device = "auto",
    up: str | None = "auto",
    unit: str | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Makes a scene ready, so that each `.label(texts)` is fast, and each `.ask(sentence)`.

    Args:
        scene: a scan.
        vision: as of `Prepared`.
        purify: as of `Prepared`.
        shapes: as of `Prepared`.
        things: as of `Prepared`.
        learned: as of `Prepared`.
        model: as of `Prepared`.
        device: as of `Prepared`.
        up: as of `Prepared`.
        unit: as of `Prepared`.
        progress: as of `Prepared`.

    Raises:
        InputError: the scene has no finite point, or no picture sees the points, or there is no such model or device.
    """
    prepared = Prepared(
        scene, vision=vision, purify=purify, shapes=shapes, things=things, learned=learned, model=model, device=device,
        up=up, unit=unit, progress=progress,
    )  # fmt: skip
    if prepared.can_be_labelled:
        prepared.ready_to_label()
    return prepared


def label(
    scene: Scene,
    texts: Sequence[str],
    *,
    vision: Vision | str | None = None,
    purify: str | Path | None = None,
    shapes: str | Path | None = None,
    things: str | Path | None = None,
    learned: Learned | str | Path | None = None,
    unsure: float = 0.0,
    device: str | torch.device = "auto",
    up: str | None = "auto",
    unit: str | None = None,
) -> Labels:
    """Labels every point of a scene with the likeliest of the texts: `prepare(scene).label(texts)`.

    Args:
        scene: a scan.
        texts: words or phrases.
        vision: as of `Prepared`.
        purify: as of `Prepared`.
        shapes: as of `Prepared`.
        things: as of `Prepared`.
        learned: as of `Prepared`.
        unsure: as of `Prepared.label`.
        device: as of `Prepared`.
        up: as of `Prepared`.
        unit: as of `Prepared`.

    Raises:
        InputError: as of `Prepared` and `Prepared.label`.
    """
    texts = check_texts(texts)
    prepared = Prepared(
        scene,
        vision=vision,
        purify=purify,
        shapes=shapes,
        things=things,
        learned=learned,
        device=device,
        up=up,
        unit=unit,
    )
    return prepared.label(texts, unsure=unsure)


@overload
def ask(
    scene: Scene, text: str, *, vision: Vision | str | None = None, shapes: str | Path | None = None,
    things: str | Path | None = None, model: LESS | str | Path = SHIPPED_MODEL, device: str | torch.device = "auto",
    up: str | None = "auto", unit: str | None = None, explain: bool = False, without: Sequence[str] = (),
) -> Answer: ...  # fmt: skip


@overload
def ask(
    scene: Scene, text: list[str] | tuple[str, ...], *, vision: Vision | str | None = None,
    shapes: str | Path | None = None, things: str | Path | None = None, model: LESS | str | Path = SHIPPED_MODEL,
    device: str | torch.device = "auto", up: str | None = "auto", unit: str | None = None, explain: bool = False,
    without: Sequence[str] = (),
) -> list[Answer]: ...  # fmt: skip


def ask(
    scene: Scene, text: str | Sequence[str], *, vision: Vision | str | None = None,
    shapes: str | Path | None = None, things: str | Path | None = None, model: LESS | str | Path = SHIPPED_MODEL,
    device: str | torch.device = "auto", up: str | None = "auto", unit: str | None = None, explain: bool = False,
    without: Sequence[str] = (),
) -> Answer | list[Answer]:  # fmt: skip
    """Finds the points that a sentence means: `prepare(scene).ask(text)`.

    Args:
        scene: a scan.
        text: a sentence, or several.
        vision: as of `Prepared`.
        shapes: as of `Prepared`.
        things: as of `Prepared`; "off" = LESS alone answers.
        model: as of `Prepared`.
        device: as of `Prepared`.
        up: as of `Prepared`.
        unit: as of `Prepared`.
        explain: as of `Prepared.ask`.
        without: as of `Prepared.ask`.

    Raises:
        InputError: as of `Prepared.ask`, or no point is finite.
    """
    texts = check_sentences([text] if isinstance(text, str) else text)
    prepared = Prepared(
        scene, vision=vision, shapes=shapes, things=things, model=model, device=device, up=up, unit=unit
    )
    answers = prepared.ask(texts, explain=explain, without=without)
    return answers[0] if isinstance(text, str) else answers
