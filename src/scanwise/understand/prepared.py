"""A scene made ready once, and then labelled and asked as often as one likes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from scanwise import devices
from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.referring import Prediction
from scanwise.geometry.inside import brought_inside
from scanwise.geometry.voxels import Voxels
from scanwise.memory import peak_memory
from scanwise.methods.geopurify.features import lifted_features
from scanwise.methods.geopurify.lift import Lifted
from scanwise.methods.less.evaluate import predict
from scanwise.methods.less.model import LESS
from scanwise.nn.pooling import chunked_matmul
from scanwise.nn.sharpening import Sharpener
from scanwise.progress import Progress, Stopwatch, silent
from scanwise.scene import Scene
from scanwise.understand.answer import Answer, check_plain, check_sentences
from scanwise.understand.answering import (
    SHIPPED_MODEL,
    by_less,
    check_askable,
    chosen,
    evidence_of,
    load_model,
)
from scanwise.understand.choosing.asking import check_without
from scanwise.understand.choosing.evidence import Evidence
from scanwise.understand.choosing.phrases import parse, tell_of_unread
from scanwise.understand.confidence import calibrated, tell_of_confidence
from scanwise.understand.labels import Labels, check_texts
from scanwise.understand.learning import NO_THINGS, Described, Learned, described_by_network, described_by_shape
from scanwise.understand.objects import connected_labels, objects_in
from scanwise.understand.outdoors import tell_of_streets, words_of
from scanwise.understand.purification import check_purify, pooled, pooling_weights
from scanwise.understand.shapes import Shapes, check_shapes, joint, knows_streets, predict_shapes, shape_features
from scanwise.understand.streets import StreetThings, street_things
from scanwise.understand.things import Things, check_things, things_of
from scanwise.understand.words import known_words, plain, tell, understood
from scanwise.vision import Vision, load_vision

_REMEMBERED = 4  # lists of texts, so that learning and labelling by what was learned take no time


class Prepared:
    """A scene, and what is made of it when it is first needed: its surface, lifted features, evidence of shapes.

    Much is kept in the cache under the content of the scene and the models, so that another run is fast. Work that was
    interrupted goes on where it stopped.

    Args:
        scene: a scan.
        vision: a 2D model, or its name for `scanwise.vision.load_vision`; None = the default.
        purify: how lifted features are cleaned: "off"; "geometry": pooled over neighbours of like colour and plane;
            "learned": over those that the shipped student finds alike; a path: the same by the student of that
            checkpoint; None = the default.
        shapes: whether classes of a 3D network count as evidence beside the pictures, and where there are none, alone:
            "off"; weights of `scanwise train segment`; None = the shipped ones, for rooms in colour and for streets,
            which are wider than 50 m and have no colours.
        things: whether labels are votes of things: "off"; weights of `scanwise train things`; None = the shipped ones,
            and in streets clusters over the ground.
        learned: what was learned from corrections, of `learn_head`, or the folder of a `scanwise learn` run; None =
            labels as shipped. It may be changed at any time.
        model: a trained LESS that sentences are asked of, a checkpoint, a run's folder, or shipped weights by name.
        device: as of `devices.find`, which "auto" leaves the choice to.
        up: axis of the scene's file that points up: "x", "y", "z", "-x", "-y", "-z"; "auto" = found, and z where
            nothing tells; None = the scene is in metres, upright and without strays, as `brought_inside` leaves it.
        unit: of its coordinates ("m", "mm", "cm", "ft", "in"); None = metres, or what the reader knows.
        progress: told (stage, share done 0..1) while it works.

    Attributes:
        scene: as it is worked on: in metres, upright, its strays without coordinates. Rows, and what writers write, are
            those of the scene that was given.
        streets: whether the 3D network is one for streets.
        seconds: stage -> seconds spent.
        segmenter: weights of the 3D network that looks at it; None = none.

    Raises:
        InputError: the scene has no finite point, its numbers cannot be metres, or there is no such student, network,
            device, axis or unit.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        vision: Vision | str | None = None,
        purify: str | Path | None = None,
        shapes: str | Path | None = None,
        things: str | Path | None = None,
        learned: Learned | str | Path | None = None,
        model: LESS | str | Path = SHIPPED_MODEL,
        device: str | torch.device = "auto",
        up: str | None = "auto",
        unit: str | None = None,
        progress: Progress = silent,
    ) -> None:
        self.device = devices.find(device)
        check_purify(purify)
        if not scene.finite.any():
            raise InputError(f"{scene.name}: no point with finite coordinates in it")
        self.scene = scene if up is None else brought_inside(scene, up=up, unit=unit)
        self.seconds = dict[str, float]()
        self._log_votes = dict[tuple[str, ...], torch.Tensor]()
        self._watch, self._progress = Stopwatch(self.seconds), progress
        self._vision, self._purify, self._model = vision, purify, model
        self.segmenter = check_shapes(shapes, self.scene)
        self.streets = knows_streets(self.segmenter)
        self._joiner = check_things(things)
        self._clusters = self.streets and things is None
        self.learned = learned if learned is None or isinstance(learned, Learned) else Learned.load(Path(learned))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Takes the time of what may take more than a second, and tells of it."""
        self._progress(name, 0.0)
        with self._watch(name):
            yield
        self._progress(name, 1.0)

    # What is made of the scene

    @cached_property
    def surface(self) -> Surface:
        """Voxels of the finite points, and their tables."""
        with self._watch("voxels"):
            return Surface(self.scene)

    @property
    def voxels(self) -> Voxels:
        """Voxels of the finite points."""
        return self.surface.voxels

    @cached_property
    def vision(self) -> Vision | None:
        """The 2D model that texts are embedded with; None where there are no pictures, and in streets none is given."""
        if not self.scene.views or (self.streets and self._vision is None):
            return None
        wanted = self._vision
        model = load_vision(wanted) if wanted is None or isinstance(wanted, str) else wanted
        return model.to(self.device)

    @cached_property
    def lifted(self) -> Lifted:
        """Features (M, C) float16 of the voxels, and which of them a view saw; (M, 0) without pictures."""
        if self.vision is None:
            return Lifted(np.zeros((len(self.surface), 0), np.float16), np.zeros(len(self.surface), bool))
        return lifted_features(
            self.surface, self.vision, device=self.device, progress=self._progress, watch=self._watch
        )

    @cached_property
    def weights(self) -> np.ndarray | None:
        """(M, K) by which voxels are pooled over their neighbours; None = they are not, as in streets."""
        if self.streets and self._purify is None:
            return None
        with self._stage("geometry"):
            _ = self.surface.neighbours, self.surface.normals
        features = self.lifted.features
        with self._stage("affinity"):
            return pooling_weights(self.surface, features, self.vision, self._purify, self.device)

    @cached_property
    def shapes(self) -> Shapes | None:
        """What a 3D network makes of the scan; None = none was asked."""
        if self.segmenter is None:
            return None
        with self._stage("shapes"):
            return predict_shapes(self.surface, self.segmenter, self.device)

    @cached_property
    def things(self) -> Things | StreetThings | None:
        """Parts of the scan and how they belong together; None = labels are of points alone."""
        if self._joiner is None and not self._clusters:
            return None
        shapes = self.shapes
        with self._stage("things"):
            if self._clusters:
                assert shapes is not None
                return street_things(self.surface, shapes)
            assert self._joiner is not None
            _ = self.surface.neighbours, self.surface.normals
            return things_of(self.surface, shapes, self._joiner)

    @cached_property
    def described(self) -> Described:
        """What a head learns from: of each part what the 3D network sees in its thing, or size, shape and colour.

        Raises:
            InputError: labels are of points alone.
        """
        things = self.things
        if not isinstance(things, Things):
            raise InputError(f"{self.scene.name}: {NO_THINGS}")
        if self.segmenter is None or self.shapes is None:
            return described_by_shape(self.surface, things)
        with self._stage("features"):
            seen = shape_features(self.surface, self.segmenter, self.device)
        return described_by_network(self.surface, things, self.shapes, seen)

    @cached_property
    def _pooled_shapes(self) -> Shapes:
        """What the 3D network makes of it, pooled as features are."""
        assert self.shapes is not None
        weights = self.weights
        with self._watch("pooling of shapes"):
            values = torch.from_numpy(np.array(self.shapes.probabilities, np.float32))
            return replace(self.shapes, probabilities=pooled(values, self.surface, weights, self.device).numpy())

    @cached_property
    def model(self) -> LESS:
        """The network that sentences are asked of."""
        return self._model if isinstance(self._model, LESS) else load_model(Path(self._model)).to(self.device)

    @cached_property
    def _sharpen(self) -> Sharpener:
        return Sharpener(self.surface, self.model.recipe.voxel)

    @property
    def can_be_labelled(self) -> bool:
        """Whether there are pictures, or a 3D network for such a scene."""
        return bool(self.scene.views) or self.segmenter is not None

    def ready_to_label(self) -> None:
        """Makes everything that `label` needs.

        Raises:
            InputError: neither pictures nor a 3D network for the scene, or no picture sees the points.
        """
        if not self.can_be_labelled:
            raise InputError(
                f"{self.scene.name}: has no pictures; without them words need the weights of a 3D network, from "
                "`scanwise train segment` on such scans, as `shapes`; for a room in colour the shipped ones are taken"
            )
        if "weights" in vars(self):
            return
        if self.streets:
            tell_of_streets(self.segmenter, pictures=bool(self.scene.views) and self._vision is None)
        elif self.scene.colors is None:
            text = "no colours: labels are smoothed by shape alone and may run across flush surfaces"
            warnings.warn(text, ScanwiseWarning, stacklevel=3)
        if not self.scene.views and not self.streets:
            warnings.warn("no pictures: labels go by shape and colour alone", ScanwiseWarning, stacklevel=3)
        _ = self.vision, self.weights, self.shapes, self.things

    # Questions

    def label(self, texts: Sequence[str], *, unsure: float = 0.0) -> Labels:
        """Labels every point with the likeliest of the texts, and finds the objects of each.

        Args:
            texts: words or phrases.
            unsure: confidence below which a point, or a thing as a whole, gets no label, 0..1.

        Raises:
            InputError: no text, an empty one, or one longer than 500 characters; or the scene cannot be labelled.
        """
        names = check_texts(texts)
        if not 0 <= unsure <= 1:
            raise InputError(f"{unsure}: a confidence is 0 to 1", option="unsure")
        self.ready_to_label()
        tell(names, *self._words())
        words = [plain(name) for name in names]
        things = self.things
        if self.learned is not None:
            self.learned.tell(words, None if things is None else self.described)
        if things is None:
            of_voxel, scores = self.voxels.of_point, calibrated(self._logits(words), self._evidence).numpy()
        else:
            of_voxel, scores = things.of_voxel[self.voxels.of_point], self._votes(words, things).numpy()
        labels = np.where(scores.max(1) >= unsure, scores.argmax(1), -1).astype(np.int32)
        finite = self.scene.finite
        indices = np.full(len(self.scene), -1, np.int32)
        scores_of_points = np.zeros((len(self.scene), len(names)), np.float32)
        indices[finite], scores_of_points[finite] = labels[of_voxel], scores[of_voxel]
        tell_of_confidence(scores_of_points[finite].max(1), len(names))
        with self._watch("objects"):
            object_of = np.full(len(self.scene), -1, np.int32)
            if things is None and not self.streets:  # of points of sweeps hardly two hang together
                object_of = connected_labels(self.scene.points, indices)
            elif things is not None:
                object_of[finite] = things.objects(labels)[of_voxel]
            objects = objects_in(self.scene, object_of, scores_of_points, names)
        return Labels(indices, scores_of_points, names, object_of, objects, self.scene, self._facts())

    @property
    def _evidence(self) -> str:
        """What labels go by: "both" kinds of evidence, "pictures", "shapes", or those of "streets"."""
        if self.vision is None:
            return "streets" if self.streets else "shapes"
        return "pictures" if self.shapes is None else "both"

    def _votes(self, texts: list[str], things: Things | StreetThings) -> torch.Tensor:
        """(P, K) probabilities of the texts, of the things' parts; by what was learned, where something was."""
        logarithms = self.log_votes(texts)
        if self.learned is not None:
            with self._watch("learned"):
                logarithms = self.learned(logarithms, texts, self.described)
        return calibrated(logarithms, f"{self._evidence} of things")

    def log_votes(self, texts: Sequence[str]) -> torch.Tensor:
        """(P, K) log-probabilities of the texts, as the things' parts vote for them without what was learned.

        Raises:
            InputError: labels are of points alone.
        """
        texts = [plain(text) for text in texts]
        key = tuple(texts)
        if key not in self._log_votes:
            self._log_votes = {**dict([*self._log_votes.items()][-_REMEMBERED + 1 :]), key: self._made_votes(texts)}
        return self._log_votes[key]

    def _made_votes(self, texts: list[str]) -> torch.Tensor:
        things = self.things
        if things is None:
            raise InputError(f"{self.scene.name}: {NO_THINGS}")
        pictures = of_shapes = known = None
        if self.shapes is not None:
            with self._watch("shapes and texts"):
                probabilities, known = self.shapes.of_texts(texts)
                of_shapes = things.means(probabilities)
        if self.vision is not None:
            alone, clean = self._scores(texts)
            with self._watch("votes"):
                pictures = things.means((alone.softmax(1) + clean.softmax(1)) / 2).log()
        with self._watch("votes"):
            fused = joint(pictures, of_shapes, known)
            return things.votes(fused.softmax(1)).log()

    def _words(self) -> tuple[list[str], list[str]]:
        """Words that the models learned, and others that they know; none where one of them does not say."""
        of_vision: list[str] | None = [] if self.vision is None else getattr(self.vision, "words", None)
        if of_vision is None:
            return [], []
        classes = [] if self.shapes is None else self.shapes.classes
        of_shapes = [word for name in classes for word in words_of(name)]
        return known_words([*of_vision, *of_shapes]), getattr(self.vision, "words_of_others", [])

    def _scores(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (M, K) of what pictures show, as lifted and pooled."""
        assert self.vision is not None
        with self._watch("texts"):
            embeddings = self.vision.encode_texts(texts)
        with self._stage("pooling"):
            scores = chunked_matmul(self.lifted.features, embeddings.T) * self.vision.scale
            return scores, pooled(scores, self.surface, self.weights, self.device)

    def _logits(self, texts: list[str]) -> torch.Tensor:
        """(M, K) of the texts: what pictures show, what shapes say, or both, pooled."""
        probabilities = known = None
        if self.shapes is not None:
            pooled_shapes = self._pooled_shapes
            with self._watch("shapes and texts"):
                probabilities, known = pooled_shapes.of_texts(texts)
        return joint(None if self.vision is None else self._scores(texts)[1], probabilities, known)

    def _facts(self) -> dict[str, Any]:
        """What labels.json says of the work: seconds by stage, peak memory, models with their hashes."""
        models = {} if self.vision is None else {self.vision.name: self.vision.model_hashes}
        if self.shapes is not None:
            models["shapes"] = self.shapes.model_hashes
        if self.things is not None:
            models["things"] = self.things.model_hashes
        learned = None if self.learned is None else {"words": self.learned.words} | self.learned.facts
        return {
            "points": len(self.scene),
            "voxels": len(self.voxels),
            "voxel_metres": self.voxels.size,
            "share_seen_in_pictures": round(float(self.lifted.seen.mean()), 4),
            "pictures": len(self.scene.views),
            "device": str(self.device),
            "models": models,
            "learned": learned,
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            "peak_memory_bytes": peak_memory(),
        }

    @overload
    def ask(self, text: str, *, explain: bool = False, without: Sequence[str] = ()) -> Answer: ...

    @overload
    def ask(
        self, text: list[str] | tuple[str, ...], *, explain: bool = False, without: Sequence[str] = ()
    ) -> list[Answer]: ...

    def ask(
        self, text: str | Sequence[str], *, explain: bool = False, without: Sequence[str] = ()
    ) -> Answer | list[Answer]:
        """Finds the points that a sentence means.

        Args:
            text: a sentence, or several, which together cost far less than one by one.
            explain: say which words LESS attended to.
            without: what is not looked at: of "words" (nouns and colours as labels tell them), "relations", "less".

        Returns:
            An answer, or of several sentences a list of them.

        Raises:
            InputError: an empty sentence, one of more than 500 characters, or a model that is none; or the scene is
                outdoors, and the model the shipped one for rooms.
        """
        texts = check_sentences([text] if isinstance(text, str) else text)
        check_askable(self.scene, "" if isinstance(self._model, LESS) else self._model)
        check_without(without)
        scene, evidence = self.scene, self.evidence
        if evidence is None:
            check_plain(texts)
        less = "less" not in without
        if less and scene.colors is None and "color" in self.model.recipe.features:
            note = "no colours: found by shape alone, which the network did not learn by; expect mistakes"
            warnings.warn(note, ScanwiseWarning, stacklevel=2)
        queries = [parse(each) for each in texts]
        tell([noun for query in queries for noun in query.nouns] or texts, known_words())
        tell_of_unread(queries)
        asked = [understood(each) for each in texts]
        predictions: list[Prediction | None] = [None] * len(texts)
        if less:
            with self._stage("sentences"):
                predictions = list(predict(self.model, scene, asked, explain=explain, surface=self.surface))
        if evidence is None:
            triples = zip(texts, asked, predictions, strict=True)
            answers = [by_less(self, *each, self._sharpen) for each in triples]
        else:
            with self._stage("choosing"):
                answers = [chosen(self, evidence, *each, without) for each in zip(queries, predictions, strict=True)]
        return answers[0] if isinstance(text, str) else answers

    @cached_property
    def evidence(self) -> Evidence | None:
        """What `ask` chooses by; None where there are no things, or nothing that tells nouns."""
        things = self.things
        if not isinstance(things, Things) or not self.can_be_labelled:
            return None
        with self._stage("candidates"):
            return evidence_of(self, things)
