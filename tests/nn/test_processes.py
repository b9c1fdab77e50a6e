import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing

from scanwise.nn.processes import all_max, all_sum, mean_over_processes, process_count, total_count

SHARES = ([1.0, 2.0, 6.0], [11.0])


def found(values: list[float]) -> dict[str, torch.Tensor]:
    """Sums, maxima and a mean of the values of all processes, and its gradient by this process's values."""
    own = torch.tensor(values, requires_grad=True)
    mean = mean_over_processes(own.sum(), len(own))
    mean.backward()
    return {
        "count": torch.tensor(process_count()),
        "sum": all_sum(own.detach().clone().sum()),
        "max": all_max(own.detach().max().clone()),
        "total": total_count(len(own), own.device),
        "mean": mean.detach(),
        "gradient": own.grad,
    }


def work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(found(SHARES[rank]), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_find_what_one_finds(tmp_path):
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    one = found(SHARES[0] + SHARES[1])
    two = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert [int(each["count"]) for each in (one, *two)] == [1, 2, 2]
    for each in two:
        for name, value in {"sum": 20, "max": 11, "total": 4}.items():
            assert float(each[name]) == float(one[name]) == value
    assert float(one["mean"]) == 5
    assert sum(float(each["mean"]) for each in two) / 2 == 5
    gradient = torch.cat([each["gradient"] for each in two]) / 2  # DDP's mean
    assert gradient.tolist() == one["gradient"].tolist() == [0.25] * 4


def test_nothing_has_the_mean_nothing():
    assert float(mean_over_processes(torch.zeros(()), 0)) == 0


def test_a_count_is_not_changed():
    count = torch.tensor(3.0)
    mean_over_processes(torch.tensor(6.0), count)
    assert float(count) == 3
