"""What LESS is trained on: a scene's voxels, sentences, and the mask that each asks for; nothing else is labelled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scanwise.data.clouds import Batch, Cloud, Sample, collate, sample_of
from scanwise.data.datasets import Source, read_source
from scanwise.data.referring import augmented, by_sentence, draw_sentences
from scanwise.errors import InputError
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.scene import Scene

COLOR_MEAN = (109.8, 97.2, 83.8)  # of the official code
_ALL = ("all {many}", "all the {many}", "every {one}", "find all {many}", "show me every {one}", "mark all the {many}")


@dataclass(frozen=True, eq=False)
class ReferSample:
    """One voxelised scene and k sentences about it.

    Attributes:
        sample: the voxels.
        texts: k sentences.
        targets: (k, m) bool, the object's voxels; none where nothing is meant.
    """

    sample: Sample
    texts: list[str]
    targets: np.ndarray


@dataclass(frozen=True, eq=False)
class ReferBatch:
    """B scenes with k sentences each.

    Attributes:
        clouds: the B scenes, flat.
        texts: k * B, sentence j of scene b in place j * B + b.
        targets: (k * N,) bool over the N voxels, once for each j.
        present: (k * B,) bool: something is meant.
    """

    clouds: Batch
    texts: list[str]
    targets: torch.Tensor
    present: torch.Tensor

    def to(self, device: torch.device | str) -> ReferBatch:
        """The tensors on a device."""
        return replace(
            self, clouds=self.clouds.to(device), targets=self.targets.to(device), present=self.present.to(device)
        )


@dataclass(frozen=True)
class MakeReferSample:
    """Scene and random numbers -> voxels and sentences.

    Attributes:
        recipe: how many sentences, what of, and how the scene is changed.
        others: scenes that a sentence is taken from, about a thing of whose kind there is none here (`strange`).
    """

    recipe: LESSRecipe
    others: Sequence[Source] = ()

    def __call__(self, scene: Scene, generator: np.random.Generator) -> ReferSample:
        """The sample.

        Raises:
            InputError: the scene has no sentences, or no instances.
        """
        recipe = self.recipe
        referrals, free = draw_sentences(scene, recipe.sentences, generator)
        meant = [(each.text, each.instances) for each in referrals]
        if recipe.several and generator.random() < recipe.several:
            meant[-1:] = all_of_a_kind(scene, generator) or meant[-1:]
        if recipe.strange and generator.random() < recipe.strange:
            other = read_source(self.others[int(generator.integers(len(self.others)))])
            meant[:1] = [(text, []) for text in strange_here(scene, other, generator)[:1]] or meant[:1]
        if scene.instances is None:
            raise InputError(f"{scene.name}: has no instances, so nothing says which points a sentence means")
        cloud = Cloud.of(scene)
        cloud = replace(cloud, labels=cloud.instances)
        cloud = augmented(cloud, generator, points=recipe.points, augment=recipe.augment, free=free)
        sample = voxels_of(cloud, recipe, scene.name)
        assert sample.labels is not None
        targets = np.stack([np.isin(sample.labels, instances) for _, instances in meant])
        return ReferSample(sample, [text for text, _ in meant], targets)


def collate_refer(samples: Sequence[ReferSample]) -> ReferBatch:
    """One flat batch of scenes with the same number of sentences each."""
    rows = by_sentence([each.targets for each in samples])
    return ReferBatch(
        collate([each.sample for each in samples]),
        by_sentence([each.texts for each in samples]),
        torch.from_numpy(np.concatenate(rows)),
        torch.tensor([bool(row.any()) for row in rows]),
    )


def voxels_of(cloud: Cloud, recipe: LESSRecipe, name: str) -> Sample:
    """Voxelises; features as the official code has them are coordinates as they are, and colours about their mean."""
    if not recipe.official:
        return sample_of(cloud, recipe.voxel, recipe.features, name)
    sample = sample_of(cloud, recipe.voxel, ("color",), name)
    colors = (sample.feats + 1) * 127.5 if cloud.colors is not None else np.asarray([COLOR_MEAN], np.float32)
    centred = np.broadcast_to((colors - np.asarray(COLOR_MEAN, np.float32)) / 256, sample.centers.shape)
    return replace(sample, feats=np.concatenate([sample.centers, centred], 1).astype(np.float32))


def strange_here(scene: Scene, other: Scene, generator: np.random.Generator) -> list[str]:
    """Sentences of another scene about things of whose class and name there is none here.

    Other furniture has no class, and goes by its name.

    Returns:
        They, in an order drawn at random; none where it is not known what is here.
    """
    here, kinds = set().union(*kinds_of(scene).values()), kinds_of(other)
    texts = [
        each.text for each in other.sentences if here and kinds.get(each.instance) and not kinds[each.instance] & here
    ]
    return [texts[index] for index in generator.permutation(len(texts))]


def kinds_of(scene: Scene) -> dict[int, set[str]]:
    """Of each instance its name, and its points' class where that says what it is."""
    kinds: dict[int, set[str]] = {box.instance: {box.name} for box in scene.boxes}
    if scene.labels is not None and scene.instances is not None and scene.classes is not None:
        known = (scene.instances >= 0) & (scene.labels >= 0)
        for instance, label in np.unique(np.stack([scene.instances, scene.labels], 1)[known], axis=0).tolist():
            if not scene.classes[label].startswith("other"):
                kinds.setdefault(instance, set()).add(scene.classes[label])
    return kinds


def all_of_a_kind(scene: Scene, generator: np.random.Generator) -> list[tuple[str, list[int]]]:
    """A sentence about all objects of a name, or of a name and a colour, and their instances; none where each differs.

    Other objects whose name ends in that name ("side chair" for "chair") count among them.
    """
    groups: dict[str, list[int]] = {}
    for name in sorted({name for box in scene.boxes for name in (box.name, f"{box.color} {box.name}".strip())}):
        groups[name] = [box.instance for box in scene.boxes if f" {box.color} {box.name}".endswith(f" {name}")]
    several = [name for name, instances in groups.items() if len(instances) > 1]
    if not several:
        return []
    name = several[int(generator.integers(len(several)))]
    text = _ALL[int(generator.integers(len(_ALL)))].format(one=name, many=_many(name))
    return [(text, groups[name])]


def _many(name: str) -> str:
    """The plural of an English noun."""
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    if re.search(r"(?:sh|ch|s|x|z)$", name):
        return name + "es"
    return re.sub(r"(?:(?<=l)f|(?<=i)fe)$", "v", name) + ("es" if re.search(r"(?:lf|ife)$", name) else "s")
