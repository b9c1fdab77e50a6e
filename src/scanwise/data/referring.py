"""Sentences and the masks that they ask for, on their way into a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scanwise.data.augment import Augmentation, moved, rotation
from scanwise.data.clouds import Batch, Cloud, Sample, collate, sample_of
from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError
from scanwise.scene import Referral, Scene

VIEW_WORDS = (
    "left", "right", "front", "behind", "facing", "face", "faces", "faced", "leftmost", "rightmost", "back", "ahead",
    "clockwise", "counterclockwise", "north", "south", "east", "west", "northern", "southern", "eastern", "western",
    "looking", "look", "entering", "enter", "rear", "opposite", "forward", "backward", "beyond",
)  # fmt: skip
_VIEW = re.compile(rf"\b(?:{'|'.join(VIEW_WORDS)})\b", re.IGNORECASE)
AUGMENTATION = Augmentation(tilt=0.02, scale=(0.98, 1.02), jitter=0.003, color_jitter=5, color_shift=10)
_PLURAL = re.compile(
    r"^(?:please )?(?:(?:can|could) you )?(?:(?:find|show|show me|mark|select|highlight|point to|look for|where are|"
    r"give me|i want|i mean) )?(?:the )?(?:all|every|both|each|two|three|four|five|six|several|these|those)\b"
    r"(?! (?:is|are)\b)(?!.*\bone\b)",
    re.IGNORECASE,
)
_NOUNS_END = re.compile(
    r"\b(?:of|on|in|at|by|near\w*|next|beside|close\w*|under\w*|below|beneath|above|over|between|against|behind|with|from|"
    r"to|along|across|opposite|around|inside|far\w*|fur\w*|left|right|that|which|who|is|are|standing|hanging|lying)\b|[^\w\s-]",
    re.IGNORECASE,
)
_MANY_OF_IT = re.compile(r"^(?:.*\s)?the\s(?:.*\s)?(?!(?:this|canvas|gas|lens)$)\w*[^s\Wui]s$", re.IGNORECASE)
_ALL = ("all {many}", "all the {many}", "every {one}", "find all {many}", "show me every {one}", "mark all the {many}")
_SWAY = 0.05  # radians about the vertical, for every sentence
COLOR_MEAN = (109.8, 97.2, 83.8)


def view_dependent(sentence: str) -> bool:
    """Whether a sentence may change its meaning when the scene is mirrored or turned."""
    return _VIEW.search(sentence) is not None


def plural(sentence: str) -> bool:
    """Whether it asks for several things: "all chairs", "find both lamps"; not "of all chairs the one by the door"."""
    return _PLURAL.match(sentence) is not None


def names_many(sentence: str) -> bool:
    """Whether what it asks for has a name in the plural, which several pieces may make up: "the red cabinets"."""
    named = _NOUNS_END.split(sentence.strip(), maxsplit=1)[0].strip()
    return _MANY_OF_IT.match(named) is not None and re.search(r"\bone\b", sentence) is None


@dataclass(frozen=True, eq=False)
class ReferSample:
    """One voxelised scene and k sentences about it.

    Attributes:
        sample: the voxels. texts: k sentences. targets: (k, m) bool, the object's voxels; none where nothing is meant.
    """

    sample: Sample
    texts: list[str]
    targets: np.ndarray


@dataclass(frozen=True, eq=False)
class ReferBatch:
    """B scenes with k sentences each.

    Attributes:
        clouds: the B scenes, flat. texts: k * B, sentence j of scene b in place j * B + b.
        targets: (k * N,) bool over the N voxels, once for each j. present: (k * B,) bool: something is meant.
    """

    clouds: Batch
    texts: list[str]
    targets: torch.Tensor
    present: torch.Tensor

    def to(self, device: torch.device | str) -> ReferBatch:
        return replace(
            self, clouds=self.clouds.to(device), targets=self.targets.to(device), present=self.present.to(device)
        )


@dataclass(frozen=True)
class MakeReferSample:
    """Scene and random numbers -> voxels and `sentences` sentences.

    The first sentence is drawn at random. When its meaning does not depend on the view, so are the others that are
    drawn, where there are enough, and the scene is mirrored and turned by quarters.

    Attributes:
        several: how often the last sentence gives way to one about all things of a kind, where there are such.
        strange: how often the first does to one of another scene, about a thing of whose kind there is none here.
        others: those scenes.
        voxel: metres. features: of `clouds.FEATURES`. points: most that are kept, drawn at random; 0 = all.
        official: features as LESS's official code has them: coordinates as they are, colours about their mean.
    """

    voxel: float
    features: tuple[str, ...]
    sentences: int = 1
    points: int = 0
    augment: bool = True
    official: bool = False
    several: float = 0.0
    strange: float = 0.0
    others: Sequence[Source] = ()

    def __call__(self, scene: Scene, generator: np.random.Generator) -> ReferSample:
        referrals, free = draw_sentences(scene, self.sentences, generator)
        meant = [(each.text, [each.instance] if each.instance >= 0 else []) for each in referrals]
        if self.several and generator.random() < self.several:
            meant[-1:] = all_of_a_kind(scene, generator) or meant[-1:]
        if self.strange and generator.random() < self.strange:
            other = read_source(self.others[int(generator.integers(len(self.others)))])
            meant[:1] = [(text, []) for text in strange_here(scene, other, generator)[:1]] or meant[:1]
        sample = voxels_of(
            self.drawn(cloud_of(scene), free, generator), self.voxel, self.features, scene.name, official=self.official
        )
        assert sample.labels is not None
        targets = np.stack([np.isin(sample.labels, instances) for _, instances in meant])
        return ReferSample(sample, [text for text, _ in meant], targets)

    def drawn(self, cloud: Cloud, free: bool, generator: np.random.Generator) -> Cloud:
        """Some of the points, and those changed at random; free: mirrored and turned by quarters as well."""
        if self.points and len(cloud) > self.points:
            cloud = cloud.take(np.sort(generator.choice(len(cloud), self.points, replace=False)))
        if self.augment:
            matrix = rotation(2, generator.uniform(-_SWAY, _SWAY))
            if free:
                matrix = _quarter_turn(generator) @ np.diag([*generator.choice([-1.0, 1.0], 2), 1.0]) @ matrix
            cloud = AUGMENTATION(moved(cloud, matrix), generator)
        return cloud


def _quarter_turn(generator: np.random.Generator) -> np.ndarray:
    return rotation(2, np.pi / 2 * int(generator.integers(4)))


def cloud_of(scene: Scene, *, labelled: bool = True) -> Cloud:
    """The finite points, with instances for labels. Raises InputError where a scene to be `labelled` has none."""
    if scene.instances is None and labelled:
        raise InputError(f"{scene.name}: has no instances, so nothing says which points a sentence means")
    cloud = Cloud.of(scene)
    return replace(cloud, labels=cloud.instances)


def voxels_of(cloud: Cloud, size: float, features: Sequence[str], name: str, *, official: bool = False) -> Sample:
    """Voxelises; `official` as in `MakeReferSample`."""
    if not official:
        return sample_of(cloud, size, features, name)
    sample = sample_of(cloud, size, ("color",), name)
    colors = (sample.feats + 1) * 127.5 if cloud.colors is not None else np.asarray([COLOR_MEAN], np.float32)
    centred = np.broadcast_to((colors - np.asarray(COLOR_MEAN, np.float32)) / 256, sample.centers.shape)
    return replace(sample, feats=np.concatenate([sample.centers, centred], 1).astype(np.float32))


def draw_sentences(scene: Scene, count: int, generator: np.random.Generator) -> tuple[list[Referral], bool]:
    """So many of a scene's sentences, and whether none of them depends on the view.

    Raises:
        InputError: the scene has no sentences.
    """
    if not scene.sentences:
        raise InputError(f"{scene.name}: has no sentences to train on; `scanwise synth rooms` writes some")
    order = [scene.sentences[place] for place in generator.permutation(len(scene.sentences))]
    free = [each for each in order if not view_dependent(each.text)]
    if not view_dependent(order[0].text) and len(free) >= count:
        return free[:count], True
    chosen = [order[place % len(order)] for place in range(count)]
    return chosen, not any(view_dependent(each.text) for each in chosen)


def strange_here(scene: Scene, other: Scene, generator: np.random.Generator) -> list[str]:
    """Sentences of another scene about things of whose class and name there is none here, in an order drawn at
    random; none where it is not known what is here. Other furniture has no class, and goes by its name."""
    here, kinds = set().union(*kinds_of(scene).values()), kinds_of(other)
    texts = [
        each.text for each in other.sentences if here and kinds.get(each.instance) and not kinds[each.instance] & here
    ]
    return [texts[place] for place in generator.permutation(len(texts))]


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


def collate_refer(samples: Sequence[ReferSample]) -> ReferBatch:
    """One flat batch of scenes with the same number of sentences each."""
    count = len(samples[0].texts)
    clouds = collate([each.sample for each in samples])
    texts = [each.texts[place] for place in range(count) for each in samples]
    rows = [each.targets[place] for place in range(count) for each in samples]
    present = torch.tensor([bool(row.any()) for row in rows])
    return ReferBatch(clouds, texts, torch.from_numpy(np.concatenate(rows)), present)
