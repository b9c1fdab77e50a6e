"""A small dense vision-language encoder for rooms: what each place of a picture is called, learned from made rooms.

EfficientNet-Lite0 and a feature pyramid (`scanwise.nn.pixel_text`) give each place an embedding in the space of a
frozen sentence encoder, where it is told apart from all words of the data ("Language-driven semantic segmentation",
arXiv 2201.03546, trains so on real pictures). The trunk moves slowly and keeps its ImageNet scores ("Learning without
forgetting", arXiv 1606.09282), so that words that no made room shows keep some meaning. In its place can stand a
STELLAR network, whose features were learned without any label and stay as they are.
"""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import nn
from torch.nn import functional

from scanwise.data.datasets import Draw, Loader, scene_paths
from scanwise.data.frames import FrameDataset, Pixels
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.vision.data import Crops, PixelBatch, collate
from scanwise.nn.pixel_text import PixelText, PlaceText, class_logits, late_blocks
from scanwise.synth.classes import SYNONYMS
from scanwise.synth.lexicon import lexicon_of, words_for
from scanwise.training.checkpoints import load
from scanwise.training.images import read_network
from scanwise.training.loop import Job, fit, parameter_groups
from scanwise.training.recipe import Recipe
from scanwise.vision.rooms import KIND, TEMPLATES, UNNAMED, imagenet_trunk, resized, save_weights, text_encoder
from scanwise.vision.stellar import PatchText

TEMPERATURE = 2.0  # at which ImageNet scores are kept


class RoomsVisionRecipe(Recipe):
    """A run on the pictures of labelled scenes; `batch` counts crops.

    Attributes:
        trunk: a STELLAR run or shipped weights whose frozen features take the place of the ImageNet trunk; "" = none.
        crop: side of a training crop, pixels, a multiple of 32. samples: places of each crop that the loss looks at.
        trunk_rate: learning rate of the ImageNet trunk, over that of the rest.
        class_weight: of the loss over class words, beside that over open names. keep_weight: of keeping ImageNet
            scores.
        validation_frames: of the validation scenes' pictures, how many are looked at.
    """

    trunk: str = ""
    crop: int = Field(224, ge=64, multiple_of=32)
    samples: int = Field(512, ge=1)
    trunk_rate: float = Field(0.02, ge=0)
    class_weight: float = Field(0.5, ge=0)
    keep_weight: float = Field(0.5, ge=0)
    validation_frames: int = Field(100, ge=1)


class Words:
    """The words that pixels are told apart by, in every way that we have of saying them.

    Args:
        names: of Frames. classes: of Frames.

    Attributes:
        names: as given. classes: those with a name of their own. sayings: (V + C, S, 384) embeddings of S ways to say
            each name and then each class. rivals: (V, V) bool, whether what is called by one name is not called by the
            other as well ("office chair" is no rival of "chair", where a pixel shows an office chair).
    """

    def __init__(self, names: list[str], classes: list[str]) -> None:
        self.names, self.classes = names, [name for name in classes if name != UNNAMED]
        self.class_row = torch.tensor(
            [-1 if name == UNNAMED else self.classes.index(name) for name in classes], dtype=torch.int64
        )
        ways = [[template.format(word) for word in words_for(name, SYNONYMS.get(name, ())) for template in TEMPLATES]
                for name in (*names, *self.classes)]  # fmt: skip
        flat = sorted({way for said in ways for way in said})
        place = {way: row for row, way in enumerate(flat)}
        embeddings = text_encoder().encode(flat)
        most = max(map(len, ways))
        rows = torch.tensor([[place[said[number % len(said)]] for number in range(most)] for said in ways])
        self.sayings = embeddings[rows]
        lexicon = lexicon_of(SYNONYMS)
        self.rivals = torch.tensor(
            [[other == name or name not in lexicon.called(other) for other in names] for name in names]
        )


class RoomsVision(nn.Module):
    """The encoder, and what it is trained by; its teacher is the trunk as it was before."""

    sayings: torch.Tensor
    rivals: torch.Tensor
    class_row: torch.Tensor

    def __init__(self, recipe: RoomsVisionRecipe, words: Words) -> None:
        super().__init__()
        self.recipe, self.words = recipe, words
        self._teacher: list[Any] = []  # in a list: neither trained nor saved
        if recipe.trunk:
            self.encoder: PlaceText = PatchText(read_network(Path(recipe.trunk)))
        else:
            trunk = imagenet_trunk()
            self._teacher.append(copy.deepcopy(trunk).eval().requires_grad_(False))
            self.encoder = PixelText(trunk.requires_grad_(True))
        self.register_buffer("sayings", words.sayings, persistent=False)
        self.register_buffer("rivals", words.rivals, persistent=False)
        self.register_buffer("class_row", words.class_row, persistent=False)

    def training_step(self, batch: PixelBatch, progress: float) -> dict[str, torch.Tensor]:
        """Cross-entropy over open names and over class words, and the divergence from the teacher's ImageNet scores."""
        early = self.encoder.early(batch.images)
        seen = self.encoder.see(early)
        features = self.encoder.pyramid(seen).permute(0, 2, 3, 1).flatten(0, 2)
        words, classes = batch.words.flatten(), batch.classes.flatten()
        classes = torch.where(classes >= 0, self.class_row[classes], -1)
        rows = balanced_rows(words, classes, len(batch) * self.recipe.samples)
        embeddings = self.encoder.embeddings(features[rows])
        said = torch.randint(self.sayings.shape[1], (len(self.sayings),), device=rows.device)
        texts = self.sayings[torch.arange(len(said), device=rows.device), said]
        logits = self.encoder.log_scale.exp() * embeddings @ texts.T
        count = len(self.words.names)
        open_loss = name_loss(logits[:, :count], words[rows], self.rivals)
        class_loss = functional.cross_entropy(logits[:, count:], classes[rows], ignore_index=-1)
        loss = open_loss + self.recipe.class_weight * class_loss
        found = {"names": open_loss.detach(), "classes": class_loss.detach()}
        if self._teacher:
            keep = self._kept(early, class_logits(self.encoder.trunk, seen.last))
            loss, found["kept"] = loss + self.recipe.keep_weight * keep, keep.detach()
        return {"loss": loss, **found}

    def _kept(self, early: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Divergence of ImageNet scores (B, h, w, 1000) from the teacher's, at temperature 2."""
        teacher = self._teacher[0].to(early.device)
        with torch.no_grad():
            wanted = (class_logits(teacher, late_blocks(teacher, early).last) / TEMPERATURE).softmax(-1)
        found = (logits / TEMPERATURE).log_softmax(-1)
        return functional.kl_div(found.flatten(0, 2), wanted.flatten(0, 2), reduction="batchmean")


def balanced_rows(words: torch.Tensor, classes: torch.Tensor, count: int) -> torch.Tensor:
    """Rows to learn from, drawn with replacement from those with a word or a class: rarer words oftener, by the
    square root of how many rows they have in this batch."""
    known = torch.nonzero((words >= 0) | (classes >= 0))[:, 0]
    _, which, many = torch.unique(words[known], return_inverse=True, return_counts=True)
    return known[torch.multinomial(many.float().rsqrt()[which], count, replacement=True)]


def name_loss(logits: torch.Tensor, words: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits (n, V) against words (n,), -1 = none, each among its rivals (V, V) alone."""
    rows = words >= 0
    logits = logits[rows].masked_fill(~rivals[words[rows]], -torch.inf)
    return functional.cross_entropy(logits, words[rows])


# Training


def train(recipe: RoomsVisionRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes' pictures and validates on some of `val`; leaves `best.ckpt` and the weights that
    `vision rooms:PATH` reads, `rooms-vision.safetensors`, in `out`. Gives the best metrics."""
    frames = FrameDataset(scene_paths(recipe.data, "train", recipe.share), Crops(recipe.crop))
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        model = RoomsVision(recipe, Words(frames.names, frames.classes))
    loader = Loader(
        frames, batch=recipe.batch // recipe.accumulate, seed=recipe.seed, collate=collate,
        workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    shown = FrameDataset(scene_paths(recipe.data, "val"), whole, frames.names)
    shown.frames = shown.frames[:: max(1, len(shown) // recipe.validation_frames)]

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, RoomsVision)
        return evaluate(module.encoder, shown, module.words)

    facts: dict[str, Any] = {
        "kind": KIND,
        "recipe": recipe.model_dump(mode="json"),
        "names": frames.names,
        "classes": frames.classes,
    }
    if recipe.trunk:
        facts |= {"network": asdict(model.encoder.trunk.config), "fusion": {"rooms": 1.0, "conse": 0.0}}
    job = Job(model, loader, _groups(model), validate, score="miou", facts=facts)
    metrics = fit(job, recipe, out, fabric, **options)
    if fabric.is_global_zero:
        export(out / "best.ckpt", out / "rooms-vision.safetensors")
    return metrics


def _groups(model: RoomsVision) -> list[dict[str, Any]]:
    """Weight decay for the new layers' matrices; the trunk, slow and held by its teacher, decays to nothing else."""
    encoder, recipe = model.encoder, model.recipe
    slow = [parameter for parameter in encoder.trunk.parameters() if parameter.requires_grad]
    new = nn.ModuleList([part for name, part in encoder.named_children() if name != "trunk"])
    return [
        *parameter_groups(new, recipe.weight_decay),
        {"params": [encoder.log_scale], "weight_decay": 0.0},
        *([{"params": slow, "weight_decay": 0.0, "scale": recipe.trunk_rate}] if slow else []),
    ]


def export(checkpoint: Path, path: Path) -> None:
    """Writes a run's checkpoint as weights for `vision rooms:PATH`. Raises InputError, OutputError."""
    state = load(checkpoint)
    card: dict[str, Any] = {
        key: state.facts[key] for key in ("kind", "recipe", "names", "classes", "metrics", "network", "fusion")
        if key in state.facts
    }  # fmt: skip
    save_weights(state.under("encoder."), card, path)


# Evaluation


def whole(image: np.ndarray, pixels: Pixels, generator: np.random.Generator) -> tuple[np.ndarray, Pixels]:
    """A frame as it is; of Frames."""
    return image, pixels


def evaluate(encoder: PlaceText, frames: FrameDataset, words: Words) -> dict[str, float]:
    """Pixels' labels found again, by the words of all classes and by all open names.

    Returns:
        miou, macc: over the classes with a word. names: mean over the open names met of the share of their pixels
        whose likeliest open name, general ones aside, is theirs.
    """
    count = len(words.names)
    texts = functional.normalize(words.sayings.mean(1), dim=1)
    confusion = Confusion(words.classes)
    hits, met = np.zeros(count), np.zeros(count)
    device = encoder.log_scale.device
    for number in range(len(frames)):
        image, pixels = frames[Draw(number, (0,))]
        with torch.no_grad():
            planes = torch.from_numpy(resized(image).transpose(2, 0, 1).copy())[None].to(device)
            grid = functional.interpolate(encoder(planes), pixels.words.shape, mode="bilinear", align_corners=False)
            scores = (grid[0].flatten(1).T @ texts.to(device).T).cpu()
        classes = pixels.classes.ravel()
        truth = np.where(classes >= 0, words.class_row.numpy()[classes], -1)
        confusion.add(truth, scores[:, count:].argmax(1).numpy().astype(np.int32))
        rows = np.flatnonzero((pixels.words.ravel() >= 0) & (pixels.words.ravel() < count))
        wanted = pixels.words.ravel()[rows]
        found = scores[rows, :count].masked_fill(~words.rivals[wanted], -torch.inf).argmax(1).numpy()
        met += np.bincount(wanted, minlength=count)
        hits += np.bincount(wanted[found == wanted], minlength=count)
    metrics = confusion.metrics()
    return {"miou": metrics["miou"], "macc": metrics["macc"], "names": float((hits[met > 0] / met[met > 0]).mean())}
