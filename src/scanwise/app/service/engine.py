"""What a service does, without HTTP: scans, jobs on them, their results and corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scanwise.app.service.jobs import Job, Jobs, Notes
from scanwise.app.service.opened import Memory, Opened
from scanwise.app.service.packing import (
    answer_arrays,
    answer_facts,
    labels_arrays,
    labels_from,
    things_facts,
)
from scanwise.app.service.problems import Problem, not_found
from scanwise.app.service.records import Records, Result
from scanwise.app.service.scans import Scans
from scanwise.app.service.settings import Settings
from scanwise.show.words import word_colors
from scanwise.understand.answer import check_sentences
from scanwise.understand.labels import check_texts

if TYPE_CHECKING:
    from scanwise.understand.corrections import Correction
    from scanwise.understand.labels import Labels
    from scanwise.understand.prepared import Prepared


class Engine:
    """One service.

    Args:
        settings: of it.

    Attributes:
        settings: of it.
        scans: that there are.
        memory: scans that are open.
        records: results.
        jobs: the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.uploads = settings.state / "uploads"
        self.scans = Scans(settings.root, self.uploads, settings.only)
        self.memory = Memory(settings)
        self.records = Records(settings.state)
        self.jobs = Jobs(settings.queue, self.records.job_ended)
        self._notes = Notes(self.jobs)
        self._notes.__enter__()

    def close(self) -> None:
        """Ends jobs and closes files."""
        self.jobs.close()
        self._notes.__exit__()
        self.memory.close()
        self.records.close()

    def tell(self, stage: str, done: float) -> None:
        """Progress of whatever job runs; where it was cancelled, its work ends here."""
        if self.jobs.current is not None:
            self.jobs.current.tell(stage, done)

    def opened(self, scan: str) -> Opened:
        """A scan that is open.

        Raises:
            Problem: 404, or 409 where it is not open.
        """
        return self.memory.get(self.scans.find(scan))

    # Jobs

    def open(self, scan: str) -> Job:
        """Queues the reading of a scan."""
        found = self.scans.find(scan)

        def work(job: Job) -> dict[str, Any]:
            return {"scan": self.memory.open(found, self.tell).scan.id}

        return self.jobs.add("open", found.id, work)

    def label(self, scan: str, texts: list[str], unsure: float = 0.0) -> Job:
        """Queues the labelling of a scan.

        Raises:
            Problem: 404, 429.
            InputError: texts that no label can be.
        """
        found, names = self.scans.find(scan), check_texts(texts)

        def work(job: Job) -> dict[str, Any]:
            return {"result": self._labelled(self.memory.open(found, self.tell), names, unsure).id}

        return self.jobs.add("label", found.id, work)

    def ask(self, scan: str, sentence: str) -> Job:
        """Queues a question."""
        found, (text,) = self.scans.find(scan), check_sentences([sentence])

        def work(job: Job) -> dict[str, Any]:
            from scanwise.understand.corrected import answered

            opened = self.memory.open(found, self.tell)
            self.tell("looking for it", 0.0)
            answer = answered(opened.prepared.ask(text), opened.store.corrections(), opened.scene)
            facts = answer_facts(answer)
            facts["corrected"] = opened.store.meant(text) is not None
            result = self.records.add(
                found.id, opened.content, "answer", {"sentence": text}, facts, answer_arrays(answer)
            )
            return {"result": result.id}

        return self.jobs.add("ask", found.id, work)

    def learn(self, scan: str, texts: list[str]) -> Job:
        """Queues learning from the corrections of a scan, and of others that are open and have some."""
        found, names = self.scans.find(scan), check_texts(texts)

        def work(job: Job) -> dict[str, Any]:
            from scanwise.understand.corrected import known_words
            from scanwise.understand.learning import learn_head

            opened = self.memory.open(found, self.tell)
            known, words = known_words(opened.store.corrections(), len(opened.scene))
            if not words:
                raise Problem("there is nothing to learn from yet: give some things their words first", 422, "nothing")
            asked = list(dict.fromkeys([*names, *words]))
            before = self.raw_labels(opened, self._labelled(opened, asked))
            scans, every = self._neighbours(opened, known, words)
            learned = learn_head(scans, every, texts=asked, progress=self.tell)
            opened.store.adopt(learned)
            opened.prepared.learned = learned
            result = self._labelled(opened, asked)
            return {"result": result.id, "learned": _plain(learned.facts)} | _change(
                before, self.raw_labels(opened, result), known, words
            )

        return self.jobs.add("learn", found.id, work)

    def _neighbours(
        self, opened: Opened, known: np.ndarray, words: list[str]
    ) -> tuple[list[tuple[Prepared, np.ndarray]], list[str]]:
        """What is known of a scan, and of others that are open and were corrected too; and the words of all."""
        from scanwise.understand.corrected import known_words

        scans, every = [(opened.prepared, known)], list(words)
        for other in self.memory.all():
            if other is opened or not other.prepared.can_be_labelled:
                continue
            rows, names = known_words(other.store.corrections(), len(other.scene))
            if names:
                every += [name for name in names if name not in every]
                table = np.array([*(every.index(name) for name in names), -1], np.int32)
                scans.append((other.prepared, table[rows]))
        return scans, every

    def revert(self, scan: str, texts: list[str]) -> Job:
        """Queues the way back to what was in force before the last learning."""
        found, names = self.scans.find(scan), check_texts(texts)

        def work(job: Job) -> dict[str, Any]:
            opened = self.memory.open(found, self.tell)
            opened.prepared.learned = opened.store.revert()
            return {"result": self._labelled(opened, names).id, "as_shipped": opened.prepared.learned is None}

        return self.jobs.add("revert", found.id, work)

    def _labelled(self, opened: Opened, texts: list[str], unsure: float = 0.0) -> Result:
        labels = opened.prepared.label(texts, unsure=unsure)
        self.tell("keeping", 0.0)
        facts = {
            "texts": labels.texts, "counts": dict(zip(labels.texts, labels.counts, strict=True)),
            "objects": dict(zip(labels.texts, labels.object_counts, strict=True)),
            "unlabelled": int((labels.indices < 0).sum()), "work": _plain(dict(labels.facts)),
            "learned": opened.prepared.learned is not None,
        }  # fmt: skip
        request = {"texts": texts, "unsure": unsure}
        result = self.records.add(opened.scan.id, opened.content, "labels", request, facts, labels_arrays(labels))
        opened.keep(result.id, labels)
        return result

    # Results

    def result(self, number: str, kind: str | None = None) -> Result:
        """A result by its id.

        Raises:
            Problem: 404, there is none, or it is of another kind.
        """
        result = self.records.find(number)
        if kind is not None and result.kind != kind:
            raise not_found(f"result of the kind {kind}")
        return result

    def results(self, scan: str) -> list[Result]:
        """The results of a scan, the newest first; of a file that has changed since, none."""
        found = self.scans.find(scan)
        content = self.memory.get(found).content if self.memory.is_open(found.id) else None
        return [each for each in self.records.of(found.id) if content in (None, each.content)]

    def opened_for(self, result: Result) -> Opened:
        """The scan of a result.

        Raises:
            Problem: 409, it is not open, or its file is another one by now.
        """
        opened = self.opened(result.scan)
        if opened.content != result.content:
            raise Problem(f"{opened.scan.name}: has changed since; label it anew", 409, "changed")
        return opened

    def raw_labels(self, opened: Opened, result: Result) -> Labels:
        """The labels of a result, before corrections."""
        with opened.lock:
            found = opened.labels.get(result.id)
            if found is None:
                arrays = self.records.arrays(result.id)
                found = labels_from(arrays, result.facts["texts"], result.facts.get("work", {}), opened.scene)
                opened.keep(result.id, found)
            return found

    def labels(self, opened: Opened, result: Result) -> tuple[Labels, int]:
        """The labels of a result with the corrections that are in force, and the revision of those."""
        from scanwise.understand.corrected import corrected

        with opened.lock:
            revision = opened.store.revision
            key = (result.id, revision)
            found = opened.labels.get(key)
            if found is None:
                raw, made = self.raw_labels(opened, result), opened.store.corrections()
                found = corrected(raw, made) if made else raw
                for old in [each for each in opened.labels if isinstance(each, tuple) and each[0] == result.id]:
                    del opened.labels[old]
                opened.keep(key, found)
            return found, revision

    def labels_summary(self, opened: Opened, result: Result) -> dict[str, Any]:
        """What a page shows of labels, corrections among them: words, counts, things."""
        labels, revision = self.labels(opened, result)
        return {
            "id": result.id, "scan": result.scan, "revision": revision, "texts": labels.texts,
            "colors": word_colors(labels.texts).tolist(), "counts": labels.counts,
            "object_counts": labels.object_counts, "unlabelled": int((labels.indices[labels.scene.finite] < 0).sum()),
            "things": things_facts(labels), "learned": bool(result.facts.get("learned")),
        }  # fmt: skip

    def columns(self, opened: Opened, labels: Labels) -> bytes:
        """Thing (int32), word (int16) and confidence (uint8) of the points in the viewer's order, one by one."""
        order = opened.detail.order
        confidence = np.nan_to_num(labels.confidence[order]) * 255 + 0.5
        return b"".join(
            (
                labels.object_of[order].astype("<i4").tobytes(),
                labels.indices[order].astype("<i2").tobytes(),
                confidence.astype(np.uint8).tobytes(),
            )
        )

    # Corrections

    def correct(self, opened: Opened, corrections: list[Correction]) -> list[Correction]:
        """Keeps corrections; they are on disk when this returns."""
        return [opened.store.add(each) for each in corrections]


def _plain(facts: Any) -> Any:
    """Facts as JSON takes them."""
    if isinstance(facts, dict):
        return {str(key): _plain(value) for key, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [_plain(each) for each in facts]
    if isinstance(facts, np.generic):
        return facts.item()
    if isinstance(facts, np.ndarray):
        return facts.tolist()
    return facts if isinstance(facts, (str, int, float, bool)) or facts is None else str(facts)


def _change(before: Labels, after: Labels, known: np.ndarray, words: list[str]) -> dict[str, Any]:
    """What learning changed: the share of labels, and how many of the corrected points are right by themselves."""
    was, now = (np.array([*each.texts, ""], object)[each.indices] for each in (before, after))
    said = np.array([*words, ""], object)[known]
    told, finite = known >= 0, before.scene.finite
    return {
        "changed": round(float((was != now)[finite].mean()), 4),
        "corrected_points": int(told.sum()),
        "right_before": round(float((was == said)[told].mean()), 4),
        "right_after": round(float((now == said)[told].mean()), 4),
    }
