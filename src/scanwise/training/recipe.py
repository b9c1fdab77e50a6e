"""Recipes: everything that a training run depends on, in a few lines of flat YAML."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.nn.backbone import check_backbone


class Recipe(BaseModel):
    """What every training has in common; each method adds its own.

    Attributes:
        data: root of the scenes.
        share: of the training scenes, 0..1.
        seed: of everything random.
        steps: optimiser steps.
        batch: scenes of a step, over all processes.
        accumulate: parts that a batch is computed in, one after the other.
        learning_rate: of AdamW, at its highest.
        weight_decay: of matrices.
        warmup: share of the steps in which the rate rises; then it falls along half a cosine.
        final_rate: what the rate falls to, over its highest.
        clip: largest norm of the gradient; 0 = any.
        precision: of the matrix products; auto = bfloat16 on CUDA devices that have it, else 32 bits.
        ema: decay of the averaged weights that are validated and kept; 0 = none.
        validate_every: steps from one validation to the next.
        keep: which validated weights are left in `best.ckpt`: the best, or the last, where few scenes are validated
            on and the best is a matter of luck.
        checkpoint_every: steps from one checkpoint to the next.
        patience: validations without a better score before training stops; 0 = never. For `keep: best`.
        workers: processes that read scenes for each training process.
    """

    model_config = ConfigDict(extra="forbid")
    data: Path
    share: float = Field(1.0, gt=0, le=1)
    seed: int = 1
    steps: int = Field(1000, ge=1)
    batch: int = Field(4, ge=1)
    accumulate: int = Field(1, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    final_rate: float = Field(0.01, ge=0, le=1)
    clip: float = Field(1.0, ge=0)
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    ema: float = Field(0.0, ge=0, lt=1)
    validate_every: int = Field(200, ge=1)
    keep: Literal["best", "last"] = "best"
    checkpoint_every: int = Field(50, ge=1)
    patience: int = Field(0, ge=0)
    workers: int = Field(0, ge=0)


def _known(name: str) -> str:
    try:
        return check_backbone(name)
    except InputError as error:
        raise ValueError(str(error)) from error


BackboneName = Annotated[str, AfterValidator(_known)]
"""The name of a backbone, in a recipe."""

R = TypeVar("R", bound=Recipe)


def recipes_folder() -> Path:
    """The recipes that come with scanwise: beside the modules where it is installed, in the clone's `recipes`."""
    installed = Path(__file__).parents[1] / "recipes"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "recipes"


def find_recipe(path: Path) -> Path:
    """The file that is meant: a file, or a recipe that comes with scanwise.

    Args:
        path: of a file; else "recipes/NAME.yaml", "NAME.yaml" or "NAME" of a shipped one.

    Raises:
        InputError: there is neither.
    """
    if path.is_file():
        return path
    inside = Path(*path.parts[1:]) if path.parts[:1] == ("recipes",) else path
    shipped = recipes_folder() / inside.with_suffix(".yaml")
    if not path.is_absolute() and shipped.is_file():
        return shipped
    if path.is_dir():
        raise InputError(f"{path}: is a folder; a recipe is a YAML file")
    names = [file.stem for file in recipes_folder().glob("**/*.yaml")]
    close = difflib.get_close_matches(path.stem, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"those that come with scanwise are {', '.join(sorted(names))}"
    raise InputError(f"{path}: no such recipe; {hint}")


def read_recipe(path: Path, kind: type[R], changes: Sequence[str] = ()) -> R:
    """A recipe from a YAML file.

    Args:
        path: of the file, as `find_recipe` takes it.
        kind: the recipe's class.
        changes: "key=value" each, over what the file says; values are YAML, and nothing is the empty text.

    Raises:
        InputError: no such file or shipped recipe, not YAML, or a wrong key or value; the nearest right key is named.
    """
    path = find_recipe(path)
    try:
        values = yaml.safe_load(read_bytes(path)) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: a recipe is lines of `key: value`")
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise InputError(f"{change}: write key=value, such as steps=500", option="changes")
        try:
            values[key.strip()] = yaml.safe_load(value) if value or not _is_text(kind, key.strip()) else ""
        except yaml.YAMLError as error:
            raise InputError(f"{change}: the value is not YAML", option="changes") from error
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_first_fault(error, kind)}") from error


def _is_text(kind: type[Recipe], key: str) -> bool:
    """Whether a key's value is a text, which `key=` leaves empty."""
    return key in kind.model_fields and kind.model_fields[key].annotation is str


def _first_fault(error: ValidationError, kind: type[Recipe]) -> str:
    fault = error.errors()[0]
    key = ".".join(map(str, fault["loc"]))
    if fault["type"] != "extra_forbidden":
        return f"{key}: {fault['msg'].removeprefix('Value error, ')}"
    close = difflib.get_close_matches(key, kind.model_fields, n=1, cutoff=0.5)
    return f"{key}: no such key" + (
        f"; did you mean {close[0]}?" if close else f"; there are {', '.join(kind.model_fields)}"
    )
