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

import torch
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import channels_of
from scanwise.errors import TrainingError
from scanwise.evaluation.features import rank_me
from scanwise.methods.dos.data import ViewBatch
from scanwise.methods.dos.losses import (
    clustering_loss,
    explained,
    mean_over_voxels,
    softmap_loss,
    usage_from_prior,
    zipf_softmaps,
)
from scanwise.methods.dos.recipe import DOSRecipe
from scanwise.nn.backbone import build_backbone
from scanwise.nn.frozen import Frozen
from scanwise.nn.processes import all_sum, total_count
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.transport import sinkhorn, zipf_prior
from scanwise.training.teacher import follow, momentum


class Encoder(nn.Module):
    """A backbone, a projection head and prototypes.

    Args:
        recipe: which backbone, and how wide the head is.

    Attributes:
        backbone: voxels -> features, which is what one keeps.
        head: features -> (N, D), not yet of length 1.
        prototypes: (K, D) of length 1, as they are compared by cosine: longer ones would hardly turn; None for
            regression.
    """

    def __init__(self, recipe: DOSRecipe) -> None:
        super().__init__()
        inputs = channels_of(recipe.features)
        tokens = recipe.masking == "tokens"
        self.backbone = build_backbone(recipe.backbone, inputs, drop_path=recipe.drop_path, mask_token=tokens)
        self.head = nn.Sequential(
            nn.LayerNorm(self.backbone.channels),
            nn.Linear(self.backbone.channels, recipe.hidden),
            nn.GELU(),
            nn.Linear(recipe.hidden, recipe.channels),
        )
        wanted = recipe.target != "regression"
        drawn = torch.randn(recipe.prototypes, recipe.channels) if wanted else None
        self.prototypes = None if drawn is None else nn.Parameter(functional.normalize(drawn, dim=1))

    def forward(self, voxels: SparseTensor, masked: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, D) of length 1; `masked` (N,) as of `Backbone`."""
        return functional.normalize(self.head(self.backbone(voxels, masked=masked)).float(), dim=1)

    def cosines(self, features: torch.Tensor) -> torch.Tensor:
        """Cosines (n, K), cos(f_i, q_k), of features (n, D) of length 1."""
        assert self.prototypes is not None
        return features @ functional.normalize(self.prototypes.float(), dim=1).T


class DOS(Encoder):
    """The teacher, which is what one keeps, and within it the student that it is the moving average of.

        model = DOS(recipe)
        model.training_step(collate_views(pairs), progress=0.0)["loss"].backward()
        ...                                          # the optimiser moves model.student
        model.after_step(progress=0.0)               # the teacher follows

    Args:
        recipe: everything about it.

    Attributes:
        student: what is trained.
        predictor: of the student's features, for regression; else does nothing.
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
        the voxels of the other view u that show the same positions:

            L = sum over v of (1 - cross) L(F, T_v) + cross L(F', T_u),     F' = rows of F that u shows

        Args:
            batch: pairs of views.
            progress: share of the run that is done, 0..1.

        Returns:
            loss; agreement: mean cosine of student and teacher; rank: RankMe of the teacher's features, 1..D;
            height: share of the variance of the teacher's features that height alone explains, 0..1; and with
            prototypes, usage: KL of how often each is a voxel's largest target from the prior, 0 = as the prior says;
            entropy of the targets, 0..1, 1 = spread evenly (over voxels; for clustering, prototypes); of softmaps
            below_voxel: share of the prototypes that the prior gives less than one voxel, which can mean nothing.

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
        metrics |= self._health(student.detach(), teacher[rows], self._heights(batch)[rows])
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
        features = self.student(SparseTensor(batch.student_coords, batch.student_feats, batch.batch), masked)
        return rows, features[rows]

    def _loss(self, student: torch.Tensor, teacher: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of student features (n, D) against teacher features (n, D), and metrics of the targets."""
        if self.recipe.target == "regression":
            distance = 2 - 2 * functional.cosine_similarity(self.predictor(student), teacher, dim=1)
            return mean_over_voxels(distance), {}
        scores = self.student.cosines(student) / self.recipe.student_temperature
        with torch.no_grad():
            wanted = self.cosines(teacher) / self.recipe.teacher_temperature
        if self.recipe.target == "clustering":
            return self._clustering_loss(scores, wanted)
        return self._softmap_loss(scores, wanted)

    def _softmap_loss(self, scores: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Over voxels, for each prototype: the paper's."""
        recipe = self.recipe
        prior = zipf_prior(recipe.prototypes, recipe.alpha).to(scores)
        targets = zipf_softmaps(wanted, prior, recipe.iterations)
        loss, entropies = softmap_loss(scores, targets)
        voxels = total_count(len(scores), scores.device)
        entropy = entropies.mean() / voxels.clamp(min=2).log()
        below = (prior * voxels < 1).float().mean()
        return loss, {"usage": usage_from_prior(targets * prior, prior), "entropy": entropy, "below_voxel": below}

    def _clustering_loss(
        self, scores: torch.Tensor, wanted: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Over prototypes, for each voxel: what the paper starts from."""
        recipe = self.recipe
        targets = sinkhorn(wanted, iterations=recipe.iterations)
        loss, entropy = clustering_loss(scores, targets)
        usage = usage_from_prior(targets, zipf_prior(recipe.prototypes, 0).to(scores))
        return loss, {"usage": usage, "entropy": entropy / math.log(recipe.prototypes)}

    @torch.no_grad()
    def _health(self, student: torch.Tensor, teacher: torch.Tensor, heights: torch.Tensor) -> dict[str, torch.Tensor]:
        agreement = mean_over_voxels(functional.cosine_similarity(student, teacher, dim=1))
        precise = teacher.double()  # else rounding would look like directions
        rank = rank_me(all_sum(precise.T @ precise))
        return {"agreement": agreement, "rank": rank, "height": explained(precise, heights.double())}

    def _heights(self, batch: ViewBatch) -> torch.Tensor:
        """(N,) of voxels: above the ground where that is among the features, else above the lowest of the view."""
        if "height" not in self.recipe.features:
            return batch.coords[:, 2] * self.recipe.voxel
        before = self.recipe.features[: self.recipe.features.index("height")]
        return batch.feats[:, channels_of(before)]

    def _refuse_collapse(self, rank: float, progress: float) -> None:
        if progress > self.recipe.warmup and rank < self.recipe.least_rank:
            raise TrainingError(
                f"after {100 * progress:.0f} % of the run the features have collapsed: they use {rank:.2f} directions, "
                f"fewer than least_rank {self.recipe.least_rank:g}; lower learning_rate or teacher_temperature, or "
                "raise momentum"
            )

    def after_step(self, progress: float) -> None:
        """The teacher becomes m teacher + (1 - m) student, m from `momentum` to 1 along half a cosine.

        The student's prototypes are brought back to length 1 first.
        """
        if self.student.prototypes is not None:
            self.student.prototypes.data.copy_(functional.normalize(self.student.prototypes.data, dim=1))
        follow(self, self.student, momentum(progress, self.recipe.momentum))

    def frozen(self) -> Frozen:
        """The teacher's backbone, for whoever wants its features."""
        return Frozen(self.backbone, self.recipe.voxel, self.recipe.features)
