"""The three faults that stopped scanwise on a GPU, put back: the pretended device finds each."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scanwise.nn import pooling, sparse, text
from scanwise.nn.gather_maps import GatherMap
from scanwise.training.run import Run
from tests.devices import pretended
from tests.devices.runs import train_segment, train_vision


def test_a_sparse_matrix_of_two_devices(there):
    neighbours, weights = np.array([[0, 1], [1, 0]], np.int32), torch.rand(2, 2, device=there)
    with pytest.raises(RuntimeError, match="same device"):
        pooling.pooling_matrix(neighbours, weights) @ torch.rand(2, 1, device=there)


def test_pooling_by_a_kernel_that_cuda_lacks_for_half_the_bits(tmp_path, monkeypatch):
    def pooled(feats: torch.Tensor, table: GatherMap, mode: str) -> torch.Tensor:
        rows = table.rows.flatten()
        starts = torch.arange(table.outputs, device=rows.device, dtype=torch.int32) * table.taps
        padded = torch.cat([feats, feats.new_full((1, feats.shape[1]), -torch.inf)])
        return F.embedding_bag(rows, padded, starts, mode=mode)

    monkeypatch.setattr(sparse, "pooled", pooled)
    with pytest.raises(RuntimeError, match="embedding_bag_backward_cuda_max"):
        train_segment(tmp_path / "data", tmp_path / "run", pretended.fabric("bf16-mixed"))


def test_words_embedded_where_the_module_is_made(tmp_path, monkeypatch):
    def build(self, make):
        with self.fabric.init_module(empty_init=False):
            return make()

    def bert(weights, ids, mask):
        return F.embedding(ids, weights["embeddings.word_embeddings.weight"])

    monkeypatch.setattr(Run, "build", build)
    monkeypatch.setattr(text, "bert", bert)
    with pytest.raises(RuntimeError, match="same device"):
        train_vision(tmp_path / "data", tmp_path / "run", pretended.fabric())
