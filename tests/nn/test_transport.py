import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.nn.transport import match, sinkhorn, zipf_prior

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"


def scores_of(seed: int, n: int, k: int, spread: float = 3.0) -> torch.Tensor:
    return spread * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def plain(scores: torch.Tensor, iterations: int, prior: torch.Tensor) -> torch.Tensor:
    """The paper's words, in double precision and without logarithms."""
    plan = torch.exp(scores.double())
    plan = plan / plan.sum()
    for _ in range(iterations):
        plan = plan / plan.sum(1, keepdim=True) / len(plan)
        plan = plan / plan.sum(0) * prior.double()
    return plan


def test_zipf_by_hand():
    torch.testing.assert_close(zipf_prior(3, 1.0), torch.tensor([6 / 11, 3 / 11, 2 / 11]))
    torch.testing.assert_close(zipf_prior(4, 0.0), torch.full((4,), 0.25))
    two = zipf_prior(2, 1.3)
    assert float(two[0] / two[1]) == pytest.approx(2**1.3)


def test_a_plan_by_hand():
    """[[2, 1], [1, 1]]: rows to 1/2, then columns to (3/4, 1/4)."""
    plan = sinkhorn(torch.tensor([[2.0, 1.0], [1.0, 1.0]]).log(), iterations=1, prior=torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(plan, torch.tensor([[3 / 7, 0.1], [9 / 28, 0.15]]))


def test_an_assignment_by_hand():
    """[[2, 1], [1, 1]]: columns by their sums (3, 2), then rows to 1."""
    found = sinkhorn(torch.tensor([[2.0, 1.0], [1.0, 1.0]]).log(), iterations=1)
    torch.testing.assert_close(found, torch.tensor([[4 / 7, 3 / 7], [0.4, 0.6]]))
    # Columns are first divided by their maxima: [[1, 1], [1/2, 1]].
    left = sinkhorn(torch.tensor([[2.0, 1.0], [1.0, 1.0]]).log(), iterations=1, column_power=0.0)
    torch.testing.assert_close(left, torch.tensor([[0.5, 0.5], [1 / 3, 2 / 3]]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 12), st.floats(0, 2), st.integers(1, 5))
def test_a_plan_is_that_of_the_paper(seed, n, k, alpha, iterations):
    scores, prior = scores_of(seed, n, k), zipf_prior(k, alpha)
    plan = sinkhorn(scores, iterations=iterations, prior=prior)
    torch.testing.assert_close(plan, plain(scores, iterations, prior).float(), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(plan.sum(0), prior, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("spread", [8.0, 12.0])
def test_with_and_without_logarithms_the_plan_is_the_same(spread):
    """On both sides of the range up to which no logarithms are needed."""
    scores = torch.randn(200, 30, generator=torch.Generator().manual_seed(0)).clamp(-3, 3) * spread
    plan = sinkhorn(scores, iterations=3, prior=zipf_prior(30, 1.3))
    torch.testing.assert_close(plan, plain(scores, 3, zipf_prior(30, 1.3)).float(), rtol=1e-3, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(2, 12))
def test_both_marginals_hold_in_the_end(seed, n, k):
    plan = sinkhorn(scores_of(seed, n, k, 1.0), iterations=100, prior=zipf_prior(k, 1.3))
    torch.testing.assert_close(plan.sum(1), torch.full((n,), 1 / n), rtol=1e-3, atol=0)


def test_alpha_0_is_the_ordinary_sinkhorn():
    scores = scores_of(1, 12, 12)
    plan = sinkhorn(scores, iterations=200, prior=zipf_prior(12, 0.0))
    torch.testing.assert_close(12 * plan, sinkhorn(scores, iterations=200), rtol=1e-3, atol=1e-5)


def test_a_constant_added_to_a_row_or_column_changes_nothing_in_a_plan():
    scores, prior = scores_of(2, 9, 5), zipf_prior(5, 1.0)
    moved = scores + 100 * torch.randn(9, 1)
    torch.testing.assert_close(
        sinkhorn(moved, iterations=3, prior=prior), sinkhorn(scores, iterations=3, prior=prior), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("spread", [1e3, 1e5])
def test_extreme_scores_stay_finite(spread):
    scores = scores_of(3, 50, 20, spread)
    plan = sinkhorn(scores, iterations=3, prior=zipf_prior(20, 1.3))
    assert torch.isfinite(plan).all()
    torch.testing.assert_close(plan.sum(0), zipf_prior(20, 1.3), rtol=1e-2, atol=0)
    assignment = sinkhorn(scores, iterations=3)
    assert torch.isfinite(assignment).all()
    assert float(assignment.sum(1).max()) <= 1.0001


@pytest.mark.parametrize("power", [1.0, 0.5])
@pytest.mark.parametrize("iterations", [1, 3, 8])
@pytest.mark.parametrize("spread", [2.0, 16.0])
def test_an_assignment_is_the_matrix_scaled_each_time(spread, iterations, power):
    scores = scores_of(5, 60, 40, spread)
    expected = torch.exp(scores.double() - scores.double().amax(0) + 50)
    for _ in range(iterations):
        expected = expected / (expected.sum(0) + 1e-8) ** power
        expected = expected / (expected.sum(1, keepdim=True) + 1e-8)
    before = scores.clone()
    found = sinkhorn(scores, iterations=iterations, column_power=power)
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-3)
    assert torch.equal(scores, before)


def test_nothing_carries_a_gradient():
    scores = scores_of(4, 6, 3).requires_grad_()
    assert not sinkhorn(scores, iterations=2).requires_grad
    assert not sinkhorn(scores, iterations=2, prior=zipf_prior(3, 1)).requires_grad


def test_a_plan_has_no_column_power():
    with pytest.raises(ValueError, match="column_power"):
        sinkhorn(scores_of(5, 4, 3), iterations=1, prior=zipf_prior(3, 1), column_power=0.5)


# Several processes


def work(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    scores = scores_of(6, 30, 8)
    found = {}
    for name, cut in (("unequal", 19), ("empty", 30)):
        share = [scores[:cut], scores[cut:]][rank]
        found[name, "plan"] = sinkhorn(share, iterations=3, prior=zipf_prior(8, 1.3))
        found[name, "assignment"] = sinkhorn(share, iterations=3, column_power=0.7)
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_find_what_one_finds(tmp_path):
    multiprocessing.spawn(work, (2, str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    scores = scores_of(6, 30, 8)
    plan = sinkhorn(scores, iterations=3, prior=zipf_prior(8, 1.3))
    assignment = sinkhorn(scores, iterations=3, column_power=0.7)
    for cut in ("unequal", "empty"):
        for name, whole in (("plan", plan), ("assignment", assignment)):
            both = torch.cat([part[cut, name] for part in parts])
            torch.testing.assert_close(both, whole, rtol=1e-4, atol=1e-7)


# Matching


def test_well_separated_vectors_find_their_own():
    target = torch.eye(4)[None] * 5
    shuffled = target[:, [2, 0, 3, 1]] + 0.01
    index, plan = match(shuffled, target, epsilon=0.1, iterations=5)
    assert index.tolist() == [[2, 0, 3, 1]]
    torch.testing.assert_close(plan.sum(1), torch.ones(1, 4))
    torch.testing.assert_close(plan.sum(2), torch.ones(1, 4))


def test_a_round_of_matching_by_hand():
    """Costs [[0, 1], [1, 1]] at temperature 1: exp(-cost), rows to 1, columns to 1."""
    predicted = torch.tensor([[[0.0, 0], [1, 0]]])
    target = torch.tensor([[[0.0, 0], [0.5, 0.75**0.5]]])
    _, plan = match(predicted, target, epsilon=1.0, iterations=1)
    e = np.exp(-1)
    first, second = 1 / (1 + e), e / (1 + e)
    wanted = torch.tensor(
        [[first / (first + 0.5), second / (second + 0.5)], [0.5 / (first + 0.5), 0.5 / (second + 0.5)]]
    )
    torch.testing.assert_close(plan[0], wanted.float())


def test_a_target_that_is_not_allowed_gives_way_to_the_next():
    predicted = torch.tensor([[[0.0, 0], [3, 0]]])
    target = torch.tensor([[[0.0, 0], [0.1, 0], [3, 0]]])
    assert match(predicted, target, epsilon=0.1, iterations=5)[0].tolist() == [[0, 2]]
    allowed = torch.tensor([[False, True, True]])
    assert match(predicted, target, epsilon=0.1, iterations=5, allowed=allowed)[0].tolist() == [[1, 2]]


def test_two_thousand_units_apart_stays_finite():
    points = 1000 * torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(match(points, points.flip(1), epsilon=0.1, iterations=5)[1]).all()


@pytest.mark.skipif(not GOLDEN.exists(), reason="needs the goldens of the official code")
def test_the_official_sinkhorn_and_matcher():
    spec = importlib.util.spec_from_file_location("golden_io", GOLDEN / "golden_io.py")
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    tensors, _ = golden.load("stellar_functions")
    for iterations, power in ((0, 1.0), (3, 1.0), (3, 0.5), (10, 1.0)):
        mine = sinkhorn(tensors["sk.M"], iterations=iterations, column_power=power)
        golden.compare(mine, tensors[f"sk.out_iter{iterations}_scale{power}"])
    for name, allowed in (("", None), ("_f", tensors["mt.filter"])):
        index, plan = match(tensors["mt.pred"], tensors["mt.target"], epsilon=0.1, iterations=5, allowed=allowed)
        assert torch.equal(index, tensors[f"mt.index{name}"])
        golden.compare(plan, tensors[f"mt.P{name}"])
