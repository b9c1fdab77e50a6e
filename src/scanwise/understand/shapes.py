"""What the shapes and colours of a scan alone say: classes of a 3D network, as evidence for any words.

A network that was trained with labels gives each voxel probabilities of its classes. That of a text is the sum over
classes of the probability of the class times that of the text for such a thing, by the likeness of both in the space of
sentence embeddings: "ConSE" (arXiv 1312.5650) in three dimensions. The network calls a mug on a table a table; so of
texts that are like none of its classes it says little, and what pictures show can outweigh it.

Shapes: M voxels, C classes, K texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scanwise import cache
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.geometry.extents import main_box
from scanwise.geometry.vertical import WIDEST_ROOM
from scanwise.nn.text import file_sha256
from scanwise.scene import Scene
from scanwise.training.checkpoints import is_shipped, load, locate
from scanwise.understand.outdoors import is_outdoors, words_of
from scanwise.vision.rooms import UNNAMED, embed_texts

SHIPPED = Path("segment-things")
STREETS = Path("segment-streets")
SHARPNESS, ALIKE = 20.0, 0.6  # of cosines; the one at which a text and a class begin to mean the same
SHAPES_WRONG = 0.1  # how often what shapes say is wrong altogether; chosen as `FusionWeights` were
_VERSION = "3"


@dataclass(frozen=True)
class FusionWeights:
    """How far pictures and shapes are trusted; chosen on validation rooms of Rooms-1 (docs/results/geopurify.md).

    Attributes:
        pictures_wrong: how often what pictures show is wrong altogether, 0..1.
        strange: what the network says at least of a text that is like none of its classes, 0..1; 1 = as of what it is
            sure of.
    """

    pictures_wrong: float = 0.5
    strange: float = 0.5


FUSION = FusionWeights()


@dataclass(frozen=True, eq=False)
class Shapes:
    """What a 3D network makes of a scan.

    Attributes:
        probabilities: (M, C), rows sum to 1.
        classes: names of the C classes.
        model_hashes: file -> SHA-256.
        offsets: (M, 3) metres to the middle of each voxel's thing; None = the network was not taught them.
    """

    probabilities: np.ndarray
    classes: list[str]
    model_hashes: dict[str, str]
    offsets: np.ndarray | None = None

    def of_texts(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities (M, K) of the texts, and (K,) how much each of them is like some class, 0..1.

        Args:
            texts: the K texts.
        """
        named = [place for place, name in enumerate(self.classes) if name != UNNAMED]
        likeness = _likeness([self.classes[place] for place in named], texts)
        alike = (SHARPNESS * (likeness - ALIKE)).exp()
        total = 1 + alike.sum(1, keepdim=True)  # 1: for things that no text means
        of_text = torch.full((len(self.classes), len(texts)), 1 / len(texts))
        of_text[named] = (alike + 1 / len(texts)) / total
        probabilities = torch.from_numpy(np.array(self.probabilities, np.float32)) @ of_text
        known = torch.sigmoid(SHARPNESS * (likeness.max(0).values - ALIKE))
        return (1 - SHAPES_WRONG) * probabilities + SHAPES_WRONG / len(texts), known


def _likeness(classes: Sequence[str], texts: Sequence[str]) -> torch.Tensor:
    """(C, K) cosines: of the word of each class that is nearest to each text."""
    called = [words_of(name) for name in classes]
    found = embed_texts([word for words in called for word in words]) @ embed_texts(texts).T
    return torch.stack([some.max(0).values for some in found.split([len(words) for words in called])])


def with_pictures(
    pictures: torch.Tensor, probabilities: torch.Tensor, known: torch.Tensor, fusion: FusionWeights = FUSION
) -> torch.Tensor:
    """(M, K) logits of both kinds of evidence, of which what pictures show is quite wrong every now and then.

    Args:
        pictures: (M, K) logits.
        probabilities: (M, K) of the shapes, as `Shapes.of_texts` has them.
        known: (K,) likewise.
        fusion: how far either is trusted.
    """
    of_shapes = known * probabilities + (1 - known) * probabilities.clamp(min=fusion.strange)
    wrong = fusion.pictures_wrong
    of_pictures = (1 - wrong) * pictures.softmax(1) + wrong / pictures.shape[1]
    return of_pictures.log() + of_shapes.log()


def joint(
    pictures: torch.Tensor | None, probabilities: torch.Tensor | None, known: torch.Tensor | None
) -> torch.Tensor:
    """(M, K) logits of the evidence that there is, as of `with_pictures`; at least one of both kinds."""
    if pictures is None:
        assert probabilities is not None
        return probabilities.log()
    return pictures if probabilities is None or known is None else with_pictures(pictures, probabilities, known)


def check_shapes(shapes: str | Path | None, scene: Scene) -> Path | None:
    """The weights of the 3D network to look at a scene with; None = none.

    Args:
        shapes: "off", or weights; None = the shipped ones, for what could be a room in colour, or is a street.
        scene: what is to be looked at.

    Raises:
        InputError: there are no such weights.
    """
    if shapes is None:
        wanted = SHIPPED if could_be_a_room(scene) else STREETS if is_outdoors(scene) else None
        return wanted if wanted is not None and is_shipped(wanted) else None
    if str(shapes) == "off":
        return None
    path = locate(Path(shapes))
    if not path.is_file():
        raise InputError(
            f"{shapes}: no such weights; choose off, or the best.ckpt of a `scanwise train segment` run",
            option="shapes",
        )
    return Path(shapes)


def class_list(weights: Path | None) -> list[str]:
    """Names of the classes that a 3D network knows; none of none."""
    return [] if weights is None else list(load(weights).facts.get("classes", ()))


def knows_streets(weights: Path | None) -> bool:
    """Whether a 3D network learned streets: it knows roads."""
    return "road" in class_list(weights)


def could_be_a_room(scene: Scene) -> bool:
    """Whether it has colours and is no wider than 50 m, strays apart: the shipped network knows rooms."""
    low, high = main_box(scene.points)
    return scene.colors is not None and bool((high - low <= WIDEST_ROOM).all())


def predict_shapes(surface: Surface, weights: Path, device: str | torch.device) -> Shapes:
    """What the network of these weights makes of a scene; kept in the cache.

    Raises:
        InputError: they are of something else.
    """
    path = locate(weights)
    digest = file_sha256(path)
    key = cache.key_of(_VERSION, surface.content, digest)
    found = cache.arrays("shapes", key, lambda: _outputs(surface, weights, device))
    return Shapes(found["probabilities"], class_list(path), {path.name: digest}, found.get("offsets"))


def shape_features(surface: Surface, weights: Path, device: str | torch.device) -> np.ndarray:
    """(M, C) float16: what the network of these weights sees in each voxel, before it is a word; kept in the cache.

    Raises:
        InputError: they are of something else.
    """
    key = cache.key_of(_VERSION, surface.content, file_sha256(locate(weights)))

    def make() -> dict[str, np.ndarray]:
        from scanwise.methods.segment.evaluate import features
        from scanwise.methods.segment.model import load_segmenter

        found = features(load_segmenter(weights).to(device), surface.with_normals())
        return {"features": found[surface.finite[surface.voxels.first]].astype(np.float16)}

    return cache.arrays("shape-features", key, make)["features"]


def _outputs(surface: Surface, weights: Path, device: str | torch.device) -> dict[str, np.ndarray]:
    # Here, as it takes seconds that a scan in the cache does not need.
    from scanwise.methods.segment.evaluate import outputs
    from scanwise.methods.segment.model import load_segmenter

    model = load_segmenter(weights).to(device)
    scene = surface.with_normals() if "normal" in model.recipe.features else surface.scene
    probabilities, offsets = outputs(model, scene)
    rows = surface.finite[surface.voxels.first]
    found = {"probabilities": probabilities[rows].astype(np.float16)}
    return found if offsets is None else found | {"offsets": offsets[rows].astype(np.float16)}
