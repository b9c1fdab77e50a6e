from pathlib import Path

import pytest
import safetensors.torch
import torch

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.training import checkpoints
from scanwise.training.checkpoints import Checkpoint, load, load_last, load_model, save, save_last, start_from


def checkpoint(step: int) -> Checkpoint:
    shared = torch.arange(6.0).view(2, 3)
    return Checkpoint(
        {"model.a": shared, "model.b": shared.t(), "x": torch.tensor(step)}, {"step": step, "n": [1, None]}
    )


def test_a_checkpoint_comes_back_exactly(tmp_path):
    save(checkpoint(3), tmp_path / "c.ckpt")
    back = load(tmp_path / "c.ckpt")
    assert back.facts == {"step": 3, "n": [1, None]}
    assert torch.equal(back.under("model.")["b"], checkpoint(3).tensors["model.b"])
    assert back.tensors["x"].dtype == torch.int64


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:40], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]])
def test_a_damaged_one_is_noticed(tmp_path, damage):
    path = tmp_path / "c.ckpt"
    save(checkpoint(3), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="damaged"):
        load(path)


def test_something_else_is_no_checkpoint(tmp_path):
    (tmp_path / "c.ckpt").write_bytes(b"hello")
    with pytest.raises(InputError, match="not a checkpoint"):
        load(tmp_path / "c.ckpt")


def test_the_previous_one_is_used_when_the_last_is_damaged(tmp_path):
    for step in (1, 2, 3):
        save_last(checkpoint(step), tmp_path)
    assert load_last(tmp_path).facts["step"] == 3
    last = tmp_path / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-5])
    with pytest.warns(ScanwiseWarning, match="older"):
        assert load_last(tmp_path).facts["step"] == 2


def test_a_kill_between_writing_and_renaming_loses_nothing(tmp_path):
    save_last(checkpoint(1), tmp_path)
    save(checkpoint(2), tmp_path / "next.ckpt")  # and the process dies here
    assert load_last(tmp_path).facts["step"] == 2
    (tmp_path / "last.ckpt").rename(tmp_path / "previous.ckpt")  # or here
    assert load_last(tmp_path).facts["step"] == 2


def test_a_new_run_has_none(tmp_path):
    assert load_last(tmp_path) is None


def test_shipped_weights_are_found_by_name_and_read_in_single_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    half = safetensors.torch.save({"weight": torch.ones(3).half()}, {"facts": '{"kind": "test"}'})
    (tmp_path / "small.safetensors").write_bytes(half)
    found = checkpoints.load(Path("small"))
    assert found.facts == {"kind": "test"}
    assert found.tensors["weight"].dtype == torch.float32
    with pytest.raises(InputError, match="shipped are small"):
        checkpoints.load(Path("large"))
    (tmp_path / "small.safetensors").write_bytes(half[:50])
    with pytest.raises(InputError, match="damaged"):
        checkpoints.load(Path("small"))


def test_a_folder_means_the_best_of_its_run(tmp_path):
    checkpoints.save(checkpoints.Checkpoint({}, {"step": 3}), tmp_path / "best.ckpt")
    assert checkpoints.load(tmp_path).facts == {"step": 3}


class Model(torch.nn.Module):
    def __init__(self, width: int = 3, head: int = 2) -> None:
        super().__init__()
        self.backbone, self.head = torch.nn.Linear(4, width), torch.nn.Linear(width, head)


def test_a_start_takes_over_a_backbone_or_all_that_fits_of_the_same_kind(tmp_path):
    made, path = Model(), tmp_path / "c.ckpt"
    save(Checkpoint(dict(made.state_dict()), {"kind": "a"}), path)
    other, same = Model(), Model()
    start_from(other, path, "b")
    start_from(same, path, "a")
    assert torch.equal(other.backbone.weight, made.backbone.weight)
    assert not torch.equal(other.head.weight, made.head.weight)
    assert torch.equal(same.head.weight, made.head.weight)
    larger = Model(head=5)
    with pytest.warns(ScanwiseWarning, match="2 of 4 tensors are not in it"):
        start_from(larger, path, "a")
    assert torch.equal(larger.backbone.weight, made.backbone.weight)
    for kind, part in (("a", "nothing in it fits"), ("b", "its backbone does not fit")):
        with pytest.raises(InputError, match=part):
            start_from(Model(width=7), path, kind)


def test_a_model_is_loaded_by_its_kind(tmp_path):
    made, path = Model(), tmp_path / "c.ckpt"
    save(Checkpoint({f"student.{name}": value for name, value in made.state_dict().items()}, {"kind": "a"}), path)
    found = load_model(path, "a", lambda checkpoint: Model(), made_by="train a", prefix="student.")
    assert torch.equal(found.head.weight, made.head.weight)
    assert not found.training
    with pytest.raises(InputError, match=r"holds no b model; give the best\.ckpt of a `scanwise train b` run"):
        load_model(path, "b", lambda checkpoint: Model(), made_by="train b")
    with pytest.raises(InputError, match="holds no BETA"):
        load_model(path, "b", lambda checkpoint: Model(), made_by="train b", called="BETA")
    with pytest.raises(InputError, match="do not fit") as caught:
        load_model(path, "a", lambda checkpoint: Model(width=7), made_by="train a", prefix="student.")
    assert "\n" not in str(caught.value)
