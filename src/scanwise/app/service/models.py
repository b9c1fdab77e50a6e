"""What requests and answers of the service look like; FastAPI makes its OpenAPI document of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=500)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Point3 = Annotated[list[Number], Field(min_length=3, max_length=3)]
Point2 = Annotated[list[Number], Field(min_length=2, max_length=2)]
Row = Annotated[int, Field(ge=0, le=2**31 - 1)]
Order = Literal["rows", "view"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProblemFacts(BaseModel):
    """What was wrong, in one line, and a word for it."""

    detail: str
    code: str = ""


class Health(BaseModel):
    """That the service lives."""

    name: str
    version: str
    token: bool
    only: str | None
    words: list[str]


class ScanFacts(BaseModel):
    """A scan that can be opened."""

    id: str
    name: str
    uploaded: bool
    open: bool
    results: int


class OpenFacts(BaseModel):
    """A scan that is open; coordinates in metres, z up; `to_source` (4, 4) leads to its file's own frame."""

    id: str
    name: str
    points: int
    shown: int
    unit: str
    to_source: list[list[float]]
    low: list[float]
    high: list[float]
    center: list[float]
    heights: list[float]
    ceiling: float | None
    view: list[float]
    colors: bool
    normals: bool
    frames: int
    can_be_labelled: bool


class JobFacts(BaseModel):
    """A piece of long work."""

    id: str
    kind: str
    scan: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    stage: str = ""
    done: float = 0.0
    before: int = 0
    notes: list[str] = []
    error: str = ""
    result: dict[str, Any] | None = None
    created: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    version: int = 0


class LabelRequest(_Request):
    """Words for a scan."""

    texts: Annotated[list[Text], Field(min_length=1, max_length=1000)]
    unsure: Annotated[float, Field(ge=0, le=1)] = 0.0


class AskRequest(_Request):
    """A sentence."""

    sentence: Text


class TextsRequest(_Request):
    """Words that a scan is labelled with afterwards."""

    texts: Annotated[list[Text], Field(min_length=1, max_length=1000)]


class ResultFacts(BaseModel):
    """What a job left."""

    id: str
    scan: str
    kind: Literal["labels", "answer"]
    created: float
    request: dict[str, Any]
    facts: dict[str, Any]


class LabelsFacts(BaseModel):
    """Labels with the corrections that are in force."""

    id: str
    scan: str
    revision: int
    texts: list[str]
    colors: list[list[int]]
    counts: list[int]
    object_counts: list[int]
    unlabelled: int
    things: list[dict[str, Any]]
    learned: bool


class Mask(_Request):
    """Points: deflated `bits` in base64, the first point lowest, or `rows`; in the file's order or the viewer's."""

    order: Order = "rows"
    bits: Annotated[str, Field(max_length=20_000_000)] | None = None
    rows: Annotated[list[Row], Field(max_length=1_000_000)] | None = None


class At(_Request):
    """A point."""

    order: Order = "rows"
    point: Row


class Screen(_Request):
    """A lasso in pixels, and the camera that it was drawn with, in scene coordinates."""

    polygon: Annotated[list[Point2], Field(min_length=3, max_length=5000)]
    eye: Point3
    right: Point3
    up: Point3
    back: Point3
    focal: Annotated[float, Field(gt=0, le=1e6)]
    center: Point2
    low: Point3
    high: Point3
    through: bool = False


class Selection(_Request):
    """Points that are meant, in one of nine ways.

    The thing at a point, one by its number, what a click grows to, a brush, a box, a lasso on the screen, a mask as it
    is, or a mask grown or shrunk along the surface. Points are in the file's own frame.
    """

    kind: Literal["thing", "object", "click", "brush", "box", "screen", "mask", "grow", "shrink"]
    result: Annotated[str, Field(max_length=32)] | None = None
    at: At | None = None
    object: int = -1
    points: Annotated[list[Point3], Field(max_length=5000)] | None = None
    radius: Annotated[float, Field(gt=0, le=1000)] | None = None
    steps: Annotated[int, Field(ge=1, le=50)] = 1
    screen: Screen | None = None
    mask: Mask | None = None


class Selected(BaseModel):
    """A mask in the viewer's order, and what it is of."""

    bits: str
    points: int
    object: int
    size: list[float]
    unit: str


class PartsFacts(BaseModel):
    """What a thing falls into."""

    parts: list[Selected]


class CorrectionRequest(_Request):
    """A correction: a word for points (whole: they are one thing), one thing, or what a sentence meant."""

    kind: Literal["word", "thing", "meant"]
    mask: Mask
    text: Annotated[str, Field(max_length=500)] = ""
    how: Annotated[str, Field(max_length=40)] = ""
    whole: bool = False


class CorrectionsRequest(_Request):
    """Corrections that are made at once."""

    corrections: Annotated[list[CorrectionRequest], Field(min_length=1, max_length=100)]
    author: Annotated[str, Field(max_length=80)] = ""


class ShrinkRequest(_Request):
    """A thing that is shrunk; its border goes to what lies beside it."""

    result: Annotated[str, Field(max_length=32)]
    mask: Mask
    steps: Annotated[int, Field(ge=1, le=50)] = 1
    author: Annotated[str, Field(max_length=80)] = ""


class AuthorRequest(_Request):
    """Whose last correction is meant; empty = anybody's."""

    author: Annotated[str, Field(max_length=80)] = ""


class CorrectionFacts(BaseModel):
    """A correction that is kept."""

    id: int
    created: float
    author: str
    kind: str
    text: str
    how: str
    points: int


class CorrectionsFacts(BaseModel):
    """The corrections of a scan that are in force."""

    revision: int
    can_undo: bool
    can_redo: bool
    learned: bool
    history: list[dict[str, Any]]
    corrections: list[CorrectionFacts]


class PointFacts(BaseModel):
    """A point: `source` as its file has it, `inside` in metres, z up."""

    row: int
    source: list[float]
    inside: list[float]
    color: list[int] | None
    unit: str


class Camera(BaseModel):
    """Where a picture was taken, in scene coordinates; OpenCV axes."""

    number: int
    name: str
    width: int
    height: int
    intrinsics: list[list[float]]
    camera_to_world: list[list[float]]


class Cubes(BaseModel):
    """The levels of detail: rows of parent, first point, points, corner x y z, edge, spacing."""

    points: int
    rows: list[list[float]]
