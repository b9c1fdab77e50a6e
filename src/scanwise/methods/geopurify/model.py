"""GeoPurify: which voxels belong together, learned without labels, so that pooling over them cleans lifted 2D features.

"GeoPurify: A Data-Efficient Geometric Distillation Framework for Open-Vocabulary 3D Segmentation" (arXiv 2510.02186,
ICLR 2026). A frozen teacher gives features of a scene's points. The student embeds voxels: each anchor is drawn to the
place most like it in the teacher's eyes, and pushed from the 48 places least like it and from the 15 of its 96 nearest
neighbours that are least like it (InfoNCE). At use, lifted features are averaged over neighbours by the cosine of
embeddings (`nn/pooling.py`). A few scenes are enough; they are chosen to differ.

What differs from the paper, and why: scenes are chosen by the teacher's features, not by the entropy of their labels,
which a user's own scans do not have; lifted features are reduced to a few directions, so that a laptop can train;
normals are given up to their sign, as scans without any have estimated ones; anchors and partners are one voxel of
each teacher voxel, since our teachers' voxels are coarser than the student's: those within one are always alike.

Shapes: M voxels of a scene, N of a batch, F inputs, D channels of the embedding.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import nn

from scanwise import cache
from scanwise.data.datasets import Draw, Loader, Source, read_source, scene_paths
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.evaluation.probes import Frozen
from scanwise.files import replacing
from scanwise.methods.geopurify.data import LessonBatch, Lessons, Studied, collate_lessons
from scanwise.methods.geopurify.evaluate import Exam, embedding_of, exam_of, marks
from scanwise.methods.geopurify.lifted import lifted_features, projected_features
from scanwise.methods.geopurify.network import contrast_pairs, info_nce
from scanwise.methods.geopurify.student import Student, StudentConfig, student_of
from scanwise.nn.sparse import SparseTensor
from scanwise.progress import Progress, silent
from scanwise.scene import Scene
from scanwise.training.backbones import weights_digest
from scanwise.training.checkpoints import load
from scanwise.training.loop import Job, fit, parameter_groups
from scanwise.training.recipe import Recipe
from scanwise.vision import Vision

BASIS_SCENES, BASIS_VOXELS = 4, 4000
_SUMMARY_VERSION = "1"


class GeoPurifyRecipe(Recipe):
    """A run without labels. The paper's sizes: reduced 512, hidden 512, channels 128, blocks 4, anchors 4096, crop 0.

    Attributes:
        vision: 2D model whose features are lifted. teacher: checkpoint or shipped weights of a backbone of ours, or
            Sonata's released ones, or "random".
        scenes: how many to train on, chosen from the training scenes. choose: those that differ most to the teacher,
            or any.
        reduced: directions of lifted features that the student is given; 0 = it sees colours and normals alone, and
            then suits any 2D model. hidden, channels, blocks: of its network.
        crop: most voxels of a training scene at a time; 0 = all. anchors: of a scene, at most.
        macro, micro: negatives of an anchor, of the whole crop and of its neighbours. temperature: of cosines.
        rates: of the input layer, the blocks and the output layer, times `learning_rate`.
        val_scenes: scenes that are measured at each validation.
    """

    vision: str = "conse"
    teacher: str = "random"
    scenes: int = Field(20, ge=1)
    choose: Literal["diverse", "random"] = "diverse"
    reduced: int = Field(32, ge=0)
    hidden: int = Field(64, ge=1)
    channels: int = Field(64, ge=1)
    blocks: int = Field(2, ge=0)
    crop: int = Field(16_000, ge=0)
    anchors: int = Field(1024, ge=1)
    macro: int = Field(48, ge=0)
    micro: int = Field(15, ge=0)
    temperature: float = Field(0.07, gt=0)
    rates: tuple[float, float, float] = (0.1, 1.0, 5.0)
    val_scenes: int = Field(4, ge=1)


class GeoPurify(nn.Module):
    """The student and its loss.

    model = GeoPurify(recipe, StudentConfig("conse", 1000, 32, hidden=64, channels=64, blocks=2))
    model.training_step(collate_lessons(lessons), progress=0.0)["loss"].backward()
    """

    def __init__(self, recipe: GeoPurifyRecipe, config: StudentConfig) -> None:
        super().__init__()
        self.recipe, self.student = recipe, Student(config)

    def training_step(self, batch: LessonBatch, progress: float) -> dict[str, torch.Tensor]:
        """InfoNCE, the mean over scenes; `found`: share of anchors whose positive beats all negatives."""
        embedding = self.student(SparseTensor(batch.coords, batch.inputs, batch.batch))
        losses, found = [], []
        parts = embedding.split([len(lesson) for lesson in batch.samples])
        for part, lesson in zip(parts, batch.samples, strict=True):
            macro = min(self.recipe.macro, len(lesson.among) - 2)
            micro = min(self.recipe.micro, lesson.neighbours.shape[1] - 2)
            pairs = contrast_pairs(
                lesson.teacher, lesson.neighbours, lesson.anchors, among=lesson.among, macro=macro, micro=micro
            )
            loss, logits = info_nce(part, lesson.anchors, *pairs, temperature=self.recipe.temperature)
            losses.append(loss)
            found.append((logits.detach().argmax(1) == 0).float().mean())
        return {"loss": torch.stack(losses).mean(), "found": torch.stack(found).mean()}


def layer_groups(student: Student, recipe: GeoPurifyRecipe) -> list[dict[str, Any]]:
    """Parameters of the input layer, the blocks and the output layer, each with its share of the learning rate."""
    network = student.network
    layers = (nn.ModuleList([network.stem, network.norm]), network.blocks, network.head)
    return [
        group | {"scale": scale}
        for layer, scale in zip(layers, recipe.rates, strict=True)
        for group in parameter_groups(layer, recipe.weight_decay)
    ]


# Which scenes


def choose_scenes(
    sources: Sequence[Source],
    teacher: Frozen,
    count: int,
    *,
    how: str = "diverse",
    seed: int = 0,
    progress: Progress = silent,
) -> list[Source]:
    """The `count` scenes of a pool that differ most: k-means of what the teacher sees, one scene of each cluster.

    A scene is described by the mean and the spread of its features; of each cluster the scene nearest its centre is
    taken. No label is looked at.

    Args:
        how: "diverse", or "random".

    Raises:
        InputError: the pool has fewer scenes.
    """
    if count > len(sources):
        raise InputError(f"{count} scenes are wanted of a pool of {len(sources)}; lower scenes")
    if count == len(sources):
        return list(sources)
    if how == "random":
        chosen = np.random.default_rng(seed).permutation(len(sources))[:count]
        return [sources[place] for place in sorted(chosen)]
    digest = weights_digest(teacher.backbone)
    summaries = []
    for number, source in enumerate(sources):
        progress("choosing scenes", number / len(sources))
        summaries.append(_summary(read_source(source), teacher, digest))
    progress("choosing scenes", 1.0)
    return [sources[place] for place in most_diverse(np.stack(summaries), count, seed)]


def _summary(scene: Scene, teacher: Frozen, digest: str) -> np.ndarray:
    """(2 D,) mean and standard deviation of the teacher's features."""

    def make() -> dict[str, np.ndarray]:
        feats = teacher.encode(scene)[1]
        return {"summary": np.concatenate([feats.mean(0), feats.std(0)])}

    key = cache.key_of(_SUMMARY_VERSION, scene.digest(), digest, str((teacher.voxel, teacher.features)))
    return np.array(cache.arrays("scene-summaries", key, make)["summary"])


def most_diverse(summaries: np.ndarray, count: int, seed: int) -> list[int]:
    """Rows of (S, D): the nearest to each centre of the best of ten k-means of `count` clusters, in order."""
    from scipy.cluster.vq import kmeans2

    values = summaries.astype(np.float64)
    values = (values - values.mean(0)) / max(float(values.std()), 1e-12)
    best, fewest = values[:count], np.inf
    for attempt in range(10):
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # scenes that are all the same
            warnings.filterwarnings("ignore", message="One of the clusters is empty")
            centres, nearest = kmeans2(values, count, minit="++", seed=seed + attempt)
        distortion = np.square(values - centres[nearest]).sum()
        if distortion < fewest:
            best, fewest = centres, distortion
    chosen: list[int] = []
    distance = np.linalg.norm(values[:, None] - best, axis=2)
    for column in distance.T:
        column[chosen] = np.inf
        chosen.append(int(column.argmin()))
    return sorted(chosen)


# What the student is given


def fit_basis(
    sources: Sequence[Source], vision: Vision, count: int, *, device: str, progress: Progress
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (C,) and main directions (C, count) of lifted features of a few scenes, scaled so that the first has
    deviation 1."""
    drawn = []
    for number, source in enumerate(sources[:BASIS_SCENES]):
        scene = read_source(source)
        features = lifted_features(Surface(scene), vision, device=device, progress=progress).features
        rows = np.random.default_rng(number).permutation(len(features))[:BASIS_VOXELS]
        drawn.append(torch.from_numpy(features[np.sort(rows)].astype(np.float32)))
    values = torch.cat(drawn).double()
    mean = values.mean(0)
    variance, directions = torch.linalg.eigh((values - mean).T @ (values - mean) / len(values))
    main = directions[:, -count:].flip(1) / variance[-1].clamp(min=1e-20).sqrt()
    return mean.float(), main.float().contiguous()


def study(
    source: Source, student: Student, teacher: Frozen, vision: Vision, *, device: str, progress: Progress
) -> Studied:
    """A scene as both see it; what was lifted is kept in the cache."""
    scene = read_source(source)
    surface = Surface(scene)
    reduced = torch.zeros(len(surface), 0)
    if student.config.lifted:
        basis = student.basis.cpu()
        projected = projected_features(surface, vision, basis, device=device, progress=progress)
        reduced = student.centred(torch.from_numpy(np.array(projected)))
    inputs = student.inputs(reduced, surface.colors, surface.normals)
    sample, feats = teacher.encode(scene)
    place = sample.of_point[surface.voxels.first]
    return Studied(
        scene.name, surface.coords, inputs.half().numpy(), surface.neighbours, feats.astype(np.float16), place
    )


# Training


def train(
    recipe: GeoPurifyRecipe, out: Path, fabric: Fabric, *, teacher: Frozen, vision: Vision, **options: Any
) -> dict[str, float]:
    """Trains on the chosen `train` scenes, whose names go to `scenes.json` in `out`, beside `best.ckpt`.

    Where scenes of `val` have labels, the best is that with the highest mIoU of their class names over `val_scenes`
    of them; else that with the lowest InfoNCE on their anchors.

    Args:
        teacher, vision: as the recipe names them.
    """
    progress: Progress = options.get("progress", silent)
    device = str(fabric.device)
    sources = choose_scenes(
        scene_paths(recipe.data, "train", recipe.share), teacher, recipe.scenes, how=recipe.choose, seed=recipe.seed,
        progress=progress,
    )  # fmt: skip
    model = _new_model(recipe, sources, vision, fabric, progress)
    names = [str(source) for source in sources]
    if fabric.is_global_zero:
        with replacing(out / "scenes.json") as temporary:
            temporary.write_text(json.dumps({"scenes": names}, indent=1) + "\n", encoding="utf-8")

    def studied(sources: Sequence[Source]) -> list[Studied]:
        return [study(source, model.student, teacher, vision, device=device, progress=progress) for source in sources]

    loader = Loader(
        Lessons(studied(sources), recipe.crop, recipe.anchors), batch=recipe.batch // recipe.accumulate,
        seed=recipe.seed, collate=collate_lessons, workers=recipe.workers, rank=fabric.global_rank,
        world=fabric.world_size,
    )  # fmt: skip
    validation = scene_paths(recipe.data, "val")[: recipe.val_scenes]
    exams = [exam_of(read_source(source), model.student, vision, device=device, progress=progress)
             for source in validation if _labelled(source)]  # fmt: skip
    validate = _marks_of(exams) if exams else _loss_on(Lessons(studied(validation), recipe.crop, recipe.anchors))
    facts = {"kind": "geopurify", "recipe": recipe.model_dump(mode="json"), "scenes": names, **model.student.facts()}
    job = Job(model, loader, layer_groups(model.student, recipe), validate, score="score", facts=facts)
    return fit(job, recipe, out, fabric, **options)


def _new_model(
    recipe: GeoPurifyRecipe, sources: Sequence[Source], vision: Vision, fabric: Fabric, progress: Progress
) -> GeoPurify:
    lifted = vision.dim if recipe.reduced else 0
    reduced = min(recipe.reduced, lifted)
    name = vision.name if recipe.reduced else ""
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        config = StudentConfig(name, lifted, reduced, recipe.hidden, recipe.channels, recipe.blocks)
        model = GeoPurify(recipe, config)
    if lifted:
        mean, basis = fit_basis(sources, vision, reduced, device=str(fabric.device), progress=progress)
        model.student.mean.copy_(mean)
        model.student.basis.copy_(basis)
    return model


def _labelled(source: Source) -> bool:
    scene = read_source(source)
    return scene.labels is not None and scene.classes is not None


def _marks_of(exams: Sequence[Exam]) -> Callable[[nn.Module], dict[str, float]]:
    """mIoU of class names with the student's pooling, and for comparison with the others'."""
    plain = {way: marks(exams, way).metrics()["miou"] for way in ("off", "geometry")}

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, GeoPurify)
        learned = marks(exams, "learned", [embedding_of(exam, module.student) for exam in exams])
        miou = learned.metrics()["miou"]
        return {"score": miou, "miou": miou, **plain}

    return validate


def _loss_on(lessons: Lessons) -> Callable[[nn.Module], dict[str, float]]:
    """InfoNCE on the same anchors each time."""
    batches = [collate_lessons([lessons[Draw(place, (0, 0, place))]]) for place in range(len(lessons))]

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, GeoPurify)
        device = next(module.parameters()).device
        found = [module.training_step(batch.to(device), 1.0) for batch in batches]
        means = {name: float(torch.stack([each[name] for each in found]).mean()) for name in ("loss", "found")}
        return {"score": -means["loss"], "val_loss": means["loss"], "val_found": means["found"]}

    return validate


def load_student(path: Path) -> Student:
    """A trained student from a checkpoint, a run's folder, or shipped weights, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    return student_of(checkpoint.tensors, checkpoint.facts, path)
