"""What trainings with sentences have in common: the recipe, the scenes, the words, the weights they start from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from torch import nn

from scanwise.data.annotations import annotated_scenes
from scanwise.data.clouds import Feature
from scanwise.data.datasets import Source, read_source, scene_paths
from scanwise.data.referring import MakeReferSample
from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.nn.sentence import words_of
from scanwise.scene import Scene
from scanwise.training.checkpoints import load, start_from
from scanwise.training.loop import parameter_groups
from scanwise.training.recipe import Recipe


@dataclass(frozen=True)
class WithNormals:
    """A scene, with estimated normals where it has none of its own, as `less.predict` has it."""

    source: Source

    def read(self) -> Scene:
        scene = read_source(self.source)
        return scene if scene.normals is not None else Surface(scene).with_normals()


class SentenceRecipe(Recipe):
    """A run on scenes with sentences.

    Attributes:
        annotations: a file of `scanwise annotate`, whose scenes are trained on beside those of `data`, or alone.
        media, levels, blocks: of the U-Net: channels of the finest level (level l has l + 1 times as many), levels,
            residual blocks of a side.
        text: "minilm", "gru", "roberta", "bert", or a name or folder for transformers. train_text: it learns too, at
            `text_rate` of the learning rate.
        voxel: metres. features: inputs of each voxel. points: most of a training scene, drawn at random; 0 = all.
        sentences: of each scene of a batch. augment: scenes are changed at random, as far as the sentence allows.
        init: weights that the backbone starts from, or, where they are of the same kind, everything that fits;
            "" = random. init_rate: learning rate of the backbone, if it has such a start, over that of the rest.
        validate_scenes: the first so many of `val`; 0 = all.
    """

    data: Path = Path()
    annotations: str = ""
    media: int = Field(32, ge=4)
    levels: int = Field(5, ge=2, le=7)
    blocks: int = Field(2, ge=1)
    text: str = "minilm"
    train_text: bool = False
    text_rate: float = Field(0.2, gt=0)
    voxel: float = Field(0.02, gt=0)
    features: tuple[Feature, ...] = ("coord", "color")
    points: int = Field(0, ge=0)
    sentences: int = Field(4, ge=1)
    augment: bool = True
    init: str = ""
    init_rate: float = Field(1.0, gt=0)
    validate_scenes: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _has_scenes(self) -> SentenceRecipe:
        if not (self.has_data or self.annotations):
            raise ValueError("give data, annotations, or both")
        return self

    @property
    def has_data(self) -> bool:
        """Whether `data` was given."""
        return "data" in self.model_fields_set

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the U-Net's levels."""
        return tuple(self.media * (level + 1) for level in range(self.levels))

    def maker(self, **more: Any) -> MakeReferSample:
        """Of training samples; more: what else `MakeReferSample` takes."""
        return MakeReferSample(
            self.voxel, self.features, sentences=self.sentences, points=self.points, augment=self.augment, **more
        )


def sources(recipe: SentenceRecipe) -> tuple[list[Source], list[Source]]:
    """Scenes to train on, and to validate on. Without `data` both are the annotated ones, which is warned of."""
    own: list[Source] = [*annotated_scenes(Path(recipe.annotations))] if recipe.annotations else []
    if "normal" in recipe.features:
        own = [WithNormals(each) for each in own]
    if not recipe.has_data:
        text = f"{recipe.annotations}: validation is on what is trained on, as no `data` is given"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
        return own, own
    validation = scene_paths(recipe.data, "val")
    return own + scene_paths(recipe.data, "train", recipe.share), validation[: recipe.validate_scenes or None]


def vocabulary(recipe: SentenceRecipe, paths: Sequence[Source]) -> list[str]:
    """The words of a GRU; other encoders have words of their own."""
    if recipe.text != "gru":
        return []
    return sorted({word for path in paths for each in read_source(path).sentences for word in words_of(each.text)})


def start_model(model: nn.Module, backbone: nn.Module, path: Path, kind: str) -> None:
    """Takes over weights of the same kind as far as they fit, or another run's backbone.

    Raises:
        InputError: nothing fits.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") != kind:
        start_from(backbone, path)
        return
    own = model.state_dict()
    fitting = {name: value for name, value in checkpoint.tensors.items() if name in own}
    fitting = {name: value for name, value in fitting.items() if value.shape == own[name].shape}
    if not any(name.startswith("backbone.") and value.ndim > 1 for name, value in fitting.items()):
        raise InputError(f"{path}: nothing in it fits this recipe; take over its media, levels, blocks and features")
    missing = [name for name in own if name not in fitting]
    if missing:
        text = f"{path}: {len(missing)} of {len(own)} tensors are not in it and start at random ({missing[0]}, ...)"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
    model.load_state_dict(fitting, strict=False)


def groups(model: nn.Module, recipe: SentenceRecipe) -> list[dict[str, Any]]:
    """Parameter groups: the text encoder, and a backbone that is not random, at rates of their own."""
    scales = {"backbone": recipe.init_rate if recipe.init else 1.0, "text": recipe.text_rate}
    return [
        group | {"scale": scales.get(name, 1.0)}
        for name, part in model.named_children()
        for group in parameter_groups(part, recipe.weight_decay)
    ]
