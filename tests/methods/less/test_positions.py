"""Where voxels are."""

import torch

from scanwise.methods.less.positions import PositionEncoding


def test_positions_do_not_depend_on_batch_mates_or_on_where_a_cloud_lies():
    torch.manual_seed(0)
    encode = PositionEncoding(8)
    first, second = torch.rand(40, 3) * 5, torch.rand(30, 3) * 9
    alone = encode(first, torch.zeros(40, dtype=torch.long))
    both = encode(torch.cat([second, first + 3]), torch.repeat_interleave(torch.arange(2), torch.tensor([30, 40])))
    torch.testing.assert_close(both[30:], alone, rtol=1e-4, atol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 1e-3
