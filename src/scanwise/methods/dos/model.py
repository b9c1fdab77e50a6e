"""DOS: point encoders learned without a label, by distilling softmaps of Zipfian prototypes at observable points.

"DOS: Distilling Observable Softmaps of Zipfian Prototypes for Self-Supervised Point Representation" (arXiv 2512.11465,
AAAI 2026). A student sees the voxels of a view that are not masked; a teacher, its moving average, sees the whole
view. Both compare each voxel with K prototypes. A *softmap* says for one prototype where in the batch it is found; the
student learns the teacher's.

The paper leaves open, and we chose: the temperatures (0.1 student, 0.05 teacher), the teacher's momentum (0.994 to 1
along half a cosine), the projection head (LayerNorm, 2 layers, 128 channels), prototypes averaged in the teacher like
all its weights, 3 Sinkhorn rounds, AdamW, and softmaps over the whole batch, on all processes: a scene need not have
every prototype, so that a prototype can come to mean a thing that few scenes have.

Shapes: N voxels of all views, n of them compared, D feature channels, K prototypes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as distributed
from lightning_fabric import Fabric
from pydantic import AliasChoices, Field, ValidationInfo, field_validator
from torch import nn
from torch.nn import functional

from scanwise.data.augment import Augmentation
from scanwise.data.clouds import FEATURES, Feature
from scanwise.data.datasets import Loader, SceneDataset, Source, read_source, scene_paths
from scanwise.evaluation.features import draw_voxels, pca_colors, rank_me
from scanwise.evaluation.probes import Frozen, KNNProbe, LinearProbe, Probe, gather, measure_voxels
from scanwise.methods.dos.data import MakeViews, ViewBatch, collate_views
from scanwise.nn.backbone import build_backbone
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.transport import all_sum, log_column_sums, sinkhorn, zipf_prior
from scanwise.training.backbones import load_backbone as load_backbone
from scanwise.training.loop import Job, TrainingError, fit, parameter_groups
from scanwise.training.recipe import BackboneName, Recipe

AUGMENTATIONS = {
    "none": Augmentation(),
    "rooms": Augmentation(
        turn=True, tilt=0.05, flip=True, scale=(0.9, 1.1), jitter=0.005, color_jitter=8, color_shift=25, contrast=0.3,
        drop_color=0.1, drop_normals=0.1,
    ),
    "streets": Augmentation(turn=True, tilt=0.02, flip=True, scale=(0.9, 1.1), jitter=0.02),
}  # fmt: skip


class DOSRecipe(Recipe):
    """A run without labels. The defaults are the paper's, for rooms; each step of its ladder is one value.

    Attributes:
        backbone: its name, of `nn.backbone`; `size` in older recipes. voxel: metres. features: inputs of each voxel. augment: how each view is changed.
        crop: (least, most) share of a scene's points in a view. points: most points of a scene that are used; 0 = all.
        block: edge of masked cubes, metres. ratio: share of voxels masked.
        masking: "observable": the student sees visible voxels alone and learns at them. "tokens": it sees all
            places, a mask token in place of masked features, and learns at the masked ones.
        token_jitter: metres, by which masked voxels' places are moved; for tokens.
        target: "softmap"; "clustering": for each voxel, over prototypes, balanced; "regression": the feature itself.
        alpha: of the Zipf prior of softmaps; 0 = uniform. prototypes: K. iterations: of Sinkhorn.
        student_temperature, teacher_temperature: of cosines. momentum: of the teacher, at the start.
        hidden, channels: of the projection head. cross: share of the loss from the other view.
        drop_path: stochastic depth of the student.
        least_rank: of the teacher's features; below, after warm-up, the run is stopped as collapsed. 0 = never.
        probe_scenes: validation scenes that a probe is fitted on and tested on, half and half.
    """

    backbone: BackboneName = Field("small", validation_alias=AliasChoices("backbone", "size"))
    voxel: float = Field(0.08, gt=0)
    features: tuple[Feature, ...] = ("color", "normal")
    augment: Literal["none", "rooms", "streets"] = "rooms"
    crop: tuple[float, float] = (0.4, 0.8)
    points: int = Field(0, ge=0)
    block: float = Field(0.4, gt=0)
    ratio: float = Field(0.7, gt=0, lt=1)
    masking: Literal["tokens", "observable"] = "observable"
    token_jitter: float = Field(0.0, ge=0)
    target: Literal["softmap", "clustering", "regression"] = "softmap"
    alpha: float = Field(1.3, ge=0)
    prototypes: int = Field(1024, ge=2)
    iterations: int = Field(3, ge=1)
    student_temperature: float = Field(0.1, gt=0)
    teacher_temperature: float = Field(0.05, gt=0, validate_default=True)
    momentum: float = Field(0.994, ge=0, le=1)
    hidden: int = Field(512, ge=1)
    channels: int = Field(128, ge=2)
    cross: float = Field(0.5, ge=0, le=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    least_rank: float = Field(1.5, ge=0)
    probe_scenes: int = Field(16, ge=2)

    @field_validator("token_jitter")
    @classmethod
    def _needs_tokens(cls, value: float, known: ValidationInfo) -> float:
        if value and known.data.get("masking") == "observable":
            raise ValueError("is for masking: tokens; observable voxels have no masked places")
        return value

    @field_validator("crop")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 1:
            raise ValueError("must be (least, most), shares between 0 and 1")
        return value

    @field_validator("teacher_temperature")
    @classmethod
    def _is_sharper(cls, value: float, known: ValidationInfo) -> float:
        if value >= known.data.get("student_temperature", math.inf):
            raise ValueError("must be below student_temperature, so that the target is the sharper")
        return value

    def views(self) -> MakeViews:
        """How scenes become pairs of views."""
        return MakeViews(
            self.voxel, self.features, AUGMENTATIONS[self.augment], self.block, self.ratio, self.crop, self.points,
            self.token_jitter,
        )  # fmt: skip


# The model


class Encoder(nn.Module):
    """A backbone, a projection head and prototypes.

    Attributes:
        prototypes: (K, D), compared by cosine, so that their length means nothing; None for regression.
    """

    def __init__(self, recipe: DOSRecipe) -> None:
        super().__init__()
        inputs = sum(FEATURES[feature] for feature in recipe.features)
        tokens = recipe.masking == "tokens"
        self.backbone = build_backbone(recipe.backbone, inputs, drop_path=recipe.drop_path, mask_token=tokens)
        self.head = nn.Sequential(
            nn.LayerNorm(self.backbone.channels),
            nn.Linear(self.backbone.channels, recipe.hidden),
            nn.GELU(),
            nn.Linear(recipe.hidden, recipe.channels),
        )
        wanted = recipe.target != "regression"
        self.prototypes = nn.Parameter(torch.randn(recipe.prototypes, recipe.channels)) if wanted else None

    def forward(self, voxels: SparseTensor, masked: torch.Tensor | None = None) -> torch.Tensor:
        """(N, D) features of length 1."""
        return functional.normalize(self.head(self.backbone(voxels, masked=masked)).float(), dim=1)

    def cosines(self, features: torch.Tensor) -> torch.Tensor:
        """(n, K): cos(f_i, q_k) of features (n, D) of length 1."""
        assert self.prototypes is not None
        return features @ functional.normalize(self.prototypes.float(), dim=1).T


class DOS(Encoder):
    """The teacher, which is what one keeps, and within it the student that it is the moving average of.

    model = DOS(recipe)
    model.training_step(collate_views(pairs), progress=0.0)["loss"].backward()
    ...                                          # the optimiser moves model.student
    model.after_step(progress=0.0)               # the teacher follows
    """

    def __init__(self, recipe: DOSRecipe) -> None:
        super().__init__(recipe)
        self.requires_grad_(False)
        self.recipe, self.progress = recipe, 0.0
        self.student = Encoder(recipe)
        for name, parameter in self.student.named_parameters():
            self.get_parameter(name).data.copy_(parameter.data)
        width, hidden = recipe.channels, recipe.hidden
        self.predictor: nn.Module = nn.Identity()
        if recipe.target == "regression":  # without it, both would soon agree on one feature for everything
            self.predictor = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def train(self, mode: bool = True) -> DOS:
        """The teacher stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        self.head.eval()
        return self

    def training_step(self, batch: ViewBatch, progress: float) -> dict[str, torch.Tensor]:
        """The loss of both views, and how healthy the features are.

        For each view v with student features F (n, D) at its compared voxels, teacher features T_v there, and T_u at
        the voxels of the other view u that show the same places:

            L = sum over v of (1 - cross) L(F, T_v) + cross L(F', T_u),     F' = rows of F that u shows

        Returns:
            loss; agreement: mean cosine of student and teacher; rank: RankMe of the teacher's features, 1..D;
            and with prototypes, usage: KL of how often each is a voxel's largest target from the prior, 0 = as the
            prior says; entropy of the targets, 0..1, 1 = spread evenly (over voxels; for clustering, prototypes).

        Raises:
            TrainingError: the features have collapsed.
        """
        self.progress = progress
        with torch.no_grad():
            teacher = self(SparseTensor(batch.coords, batch.feats, batch.batch))
        rows, student = self._student(batch)
        cross = self.recipe.cross
        loss, metrics = student.new_zeros(()), dict[str, torch.Tensor]()
        for view in (0, 1):
            own = batch.view[rows] == view
            same, found = self._loss(student[own], teacher[rows[own]])
            for name, value in found.items():
                metrics[name] = metrics.get(name, 0) + value / 2
            shown = own & (batch.match[rows] >= 0)
            other, _ = self._loss(student[shown], teacher[batch.match[rows[shown]]])
            loss = loss + (1 - cross) * same + cross * other
        metrics |= self._health(student.detach(), teacher[rows])
        self._refuse_collapse(float(metrics["rank"]), progress)
        return {"loss": loss, **metrics}

    def _student(self, batch: ViewBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows (n,) of the batch that are compared, and the student's features (n, D) of them."""
        if self.recipe.masking == "observable":
            rows = torch.nonzero(batch.visible)[:, 0]
            voxels = SparseTensor(batch.coords[rows], batch.student_feats[rows], batch.batch[rows])
            return rows, self.student(voxels)
        masked = ~batch.visible
        rows = torch.nonzero(masked)[:, 0]
        features = self.student(SparseTensor(batch.places, batch.student_feats, batch.batch), masked)
        return rows, features[rows]

    def _loss(self, student: torch.Tensor, teacher: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of student features (n, D) against teacher features (n, D), and metrics of the targets."""
        recipe = self.recipe
        if recipe.target == "regression":
            distance = 2 - 2 * functional.cosine_similarity(self.predictor(student), teacher, dim=1)
            return mean_of_all(distance), {}
        scores = self.student.cosines(student) / recipe.student_temperature
        with torch.no_grad():
            targets = self.cosines(teacher) / recipe.teacher_temperature
            if recipe.target == "clustering":
                prior = zipf_prior(recipe.prototypes, 0).to(scores)
                targets = sinkhorn(targets, iterations=recipe.iterations)
            else:
                prior = zipf_prior(recipe.prototypes, recipe.alpha).to(scores)
                targets = zipf_softmaps(targets, prior, recipe.iterations)
        if recipe.target == "clustering":
            loss = mean_of_all(-(targets * scores.log_softmax(1)).sum(1))
            entropy = mean_of_all(-torch.xlogy(targets, targets).sum(1)) / math.log(recipe.prototypes)
            return loss, {"usage": usage_from_prior(targets, prior), "entropy": entropy}
        loss, entropies = softmap_loss(scores, targets)
        count = all_sum(torch.tensor(float(len(student)), device=student.device))
        entropy = entropies.mean() / count.clamp(min=2).log()
        return loss, {"usage": usage_from_prior(targets * prior, prior), "entropy": entropy}

    @torch.no_grad()
    def _health(self, student: torch.Tensor, teacher: torch.Tensor) -> dict[str, torch.Tensor]:
        agreement = mean_of_all(functional.cosine_similarity(student, teacher, dim=1))
        precise = teacher.double()  # else rounding would look like directions
        return {"agreement": agreement, "rank": rank_me(all_sum(precise.T @ precise))}

    def _refuse_collapse(self, rank: float, progress: float) -> None:
        if progress > self.recipe.warmup and rank < self.recipe.least_rank:
            raise TrainingError(
                f"after {100 * progress:.0f} % of the run the features have collapsed: they use {rank:.2f} directions, "
                f"fewer than least_rank {self.recipe.least_rank:g}; lower learning_rate or teacher_temperature, or "
                "raise momentum"
            )

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """teacher = m teacher + (1 - m) student, m from `momentum` to 1 along half a cosine."""
        kept = 1 - (1 - self.recipe.momentum) * (1 + math.cos(math.pi * progress)) / 2
        for name, parameter in self.student.named_parameters():
            self.get_parameter(name).lerp_(parameter, 1 - kept)

    def frozen(self) -> Frozen:
        """The teacher's backbone, for whoever wants its features."""
        return Frozen(self.backbone, self.recipe.voxel, self.recipe.features)


# Targets and losses


def zipf_softmaps(scores: torch.Tensor, prior: torch.Tensor, iterations: int) -> torch.Tensor:
    """(n, K) target softmaps: Zipf-Sinkhorn of the teacher's scores, then columns to 1.

    The plan P minimises its distance from s_ik = exp(cos(f_i, q_k) / tau_T) under sum_k P_ik = 1 / n and
    sum_i P_ik = w_k; the softmap is P_ik / w_k. n counts the voxels of all processes.

    Args:
        scores: (n, K) cosines over tau_T. prior: (K,) w.
    """
    return sinkhorn(scores, iterations=iterations, prior=prior) / prior


def softmap_loss(scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 / K) sum_k KL(target(:, k) || S(:, k)) with S(i, k) = exp(z_ik) / sum_j exp(z_jk), j over all processes.

    As targets' columns sum to 1, it is (1 / K) sum_k [sum_i t_ik (log t_ik - z_ik) + log sum_j exp(z_jk)].

    Args:
        scores: (n, K), z: the student's cosines over tau_S. targets: (n, K), columns sum to 1 over all processes.

    Returns:
        Scalar, whose mean over processes has the value and the gradient that one process would find; and (K,)
        entropy of each target over the voxels of all processes.
    """
    entropies = all_sum(-torch.xlogy(targets, targets).sum(0))
    if not float(all_sum(torch.tensor(float(len(scores)), device=scores.device))):
        return scores.sum(), entropies  # no voxel is shown by both views
    world = _processes()
    likelihood = (targets * scores).sum() / scores.shape[1]
    log_sums = log_column_sums(scores).mean()  # the value is of all processes, the gradient of this one's rows
    log_sums = world * log_sums - (world - 1) * log_sums.detach()
    return log_sums - world * likelihood - entropies.mean(), entropies


def mean_of_all(values: torch.Tensor) -> torch.Tensor:
    """Scalar whose mean over processes is the mean of all their values (n,); 0 where there are none."""
    count = all_sum(torch.tensor(float(len(values)), device=values.device))
    return values.sum() * _processes() / count.clamp(min=1)


def usage_from_prior(plan: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """KL(u || w): u_k is the share of voxels of which prototype k has the most in the plan (n, K); w the prior (K,)."""
    used = all_sum(torch.bincount(plan.argmax(1), minlength=len(prior)).float())
    used = used / used.sum().clamp(min=1)
    return (torch.xlogy(used, used) - used * prior.log()).sum()


def _processes() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


# Training


def train(recipe: DOSRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes, whose labels it does not look at; leaves `best.ckpt` in `out`.

    Where scenes of `val` have labels, the best is that with the highest mIoU of a linear probe, fitted on half of
    `probe_scenes` of them and tested on the other half; else it is the last.
    """
    paths = scene_paths(recipe.data, "train", recipe.share)
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        model = DOS(recipe)
    loader = Loader(
        SceneDataset(paths, recipe.views()), batch=recipe.batch // recipe.accumulate, seed=recipe.seed,
        collate=collate_views, workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    validation = scene_paths(recipe.data, "val")[: recipe.probe_scenes]

    def picture(module: nn.Module, folder: Path) -> None:
        assert isinstance(module, DOS)
        draw(module.frozen(), validation[0], folder / "features.png")

    facts = {"kind": "dos", "recipe": recipe.model_dump(mode="json")}
    validate = validation_of(validation)
    job = Job(model, loader, parameter_groups(model, recipe.weight_decay), validate, "score", picture, facts)
    return fit(job, recipe, out, fabric, **options)


def validation_of(sources: Sequence[Source]) -> Callable[[nn.Module], dict[str, float]]:
    """What is measured of the teacher: probes on labelled scenes, or nothing but how far the run has come."""
    scenes = [read_source(source) for source in sources]
    classes = scenes[0].classes or []
    labelled = len(scenes) > 1 and bool(classes) and all(scene.labels is not None for scene in scenes)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, DOS)
        if not labelled:
            return {"score": module.progress}
        known = gather(module.frozen(), sources[::2], voxels=2000)
        unknown = gather(module.frozen(), sources[1::2], voxels=2000)
        linear, near = LinearProbe.fit(known, len(classes)), KNNProbe(known, len(classes))
        probes: dict[str, Probe] = {"linear": linear, "knn": near}
        found = {name: measure_voxels(probe, unknown, classes).metrics()["miou"] for name, probe in probes.items()}
        return {"score": found["linear"], **found}

    return validate


def draw(frozen: Frozen, source: Source, picture: Path) -> None:
    """A scene in its own colours, and in those of its features' main directions."""
    scene = read_source(source)
    sample, feats = frozen.encode(scene)
    columns = [("features", pca_colors(feats))]
    if scene.colors is not None:
        first = np.unique(sample.of_point, return_index=True)[1]
        columns.insert(0, ("colours", scene.colors[sample.row[first]]))
    draw_voxels(picture, sample.centers, sample.size, *columns)
