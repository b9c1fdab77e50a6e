"""An index of pictures: kept as it goes, gone on with, searched exactly and approximately."""

import numpy as np
import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.stellar.evaluate import Spread, similarity
from scanwise.methods.stellar.index import TokenIndex, batches_of
from tests.pictures import tiny_tokens

FACTS = {"weights": "w", "sha256": "0", "whole": True, "vision": ""}


def frames(count, first=0):
    return [{"source": "a", "number": number, "name": str(number)} for number in range(first, first + count)]


@pytest.fixture
def filled(tmp_path):
    torch.manual_seed(0)
    network, tokens = tiny_tokens(4), torch.randn(60, 4, 24)
    made = TokenIndex.create(tmp_path / "index", network, FACTS, words=3)
    made.add(frames(40), tokens[:40], torch.randn(40, 4, 3))
    made.add(frames(20, 40), tokens[40:], torch.randn(20, 4, 3))
    return tokens


def test_what_was_added_is_read_by_memory_map(tmp_path, filled):
    index = TokenIndex.open(tmp_path / "index")
    assert len(index) == 60
    assert isinstance(index.tokens, np.memmap)
    np.testing.assert_allclose(index.tokens, filled.half().numpy())
    assert index.bytes_a_frame == 2 * 4 * (24 + 3)
    assert (tmp_path / "index/tokens.f16").stat().st_size == 60 * 2 * 4 * 24
    assert index.frames[41]["number"] == 41


def test_a_run_that_was_killed_goes_on_after_the_last_whole_picture(tmp_path, filled):
    folder = tmp_path / "index"
    with (folder / "tokens.f16").open("ab") as stream:
        stream.write(b"x" * 300)  # one whole picture and a half
    with (folder / "frames.jsonl").open("a") as stream:
        stream.write('{"source": "a", "num')
    index = TokenIndex.open(folder)
    assert len(index) == 60
    index.add(frames(1, 60), torch.full((1, 4, 24), 2.0), torch.zeros(1, 4, 3))
    again = TokenIndex.open(folder)
    assert len(again) == 61
    assert (again.tokens[60] == 2).all()
    assert (folder / "tokens.f16").stat().st_size == 61 * 2 * 4 * 24


def test_the_picture_itself_comes_first_and_scores_are_those_of_transport(tmp_path, filled):
    index = TokenIndex.open(tmp_path / "index")
    rows, scores = index.search(filled[17], 5)
    assert rows[0] == 17
    assert scores[0] == pytest.approx(1, abs=1e-3)
    spread = Spread.of(index.tokens)
    expected = similarity(spread(filled[17]), spread(torch.from_numpy(np.array(index.tokens, np.float32))))
    np.testing.assert_allclose(scores, expected.sort(descending=True).values[:5], atol=1e-5)


def test_spread_tokens_have_mean_zero_and_no_favourite_direction():
    tokens = torch.randn(300, 4, 6) * torch.tensor([9.0, 3, 1, 1, 1, 0.3]) + 5
    found = Spread.of(tokens.numpy())(tokens).flatten(0, 1)
    assert found.mean(0).abs().max() < 1e-3
    values = torch.linalg.eigvalsh(torch.cov(found.T))
    assert 0.8 < values[0] < 0.95  # the weakest direction (variance 0.09) is held back by 1e-3 of the mean (15.4)
    torch.testing.assert_close(values[1:], torch.ones(5), atol=0.03, rtol=0)
    few = Spread.of(tokens[:2].numpy())
    torch.testing.assert_close(few(tokens[:2]), tokens[:2] - tokens[:2].mean((0, 1)))


def test_faiss_finds_the_same_picture(tmp_path, filled):
    pytest.importorskip("faiss")
    from scanwise.methods.stellar.nearest import candidates

    index = TokenIndex.open(tmp_path / "index")
    near = candidates(index, filled[5], 10)
    assert len(near) == 10
    assert index.search(filled[5], 3, rows=near)[0][0] == 5
    index.add(frames(1, 60), filled[5:6] + 1, torch.zeros(1, 4, 3))
    assert 60 in candidates(TokenIndex.open(tmp_path / "index"), filled[5] + 1, 61)  # made again, as one was added


def test_words_are_those_of_the_token_that_fits_best(tmp_path):
    made = TokenIndex.create(tmp_path / "index", tiny_tokens(4), FACTS, words=2)
    words = torch.tensor([[[1.0, 0], [1, 0], [1, 0], [1, 0]], [[1, 0], [0, 5], [1, 0], [1, 0]]])
    made.add(frames(2), torch.zeros(2, 4, 24), words)
    rows, scores = TokenIndex.open(tmp_path / "index").search_words(torch.tensor([0.0, 2]), 2)
    assert rows.tolist() == [1, 0]
    assert scores.tolist() == pytest.approx([1, 0])


def test_wide_tokens_are_shortened_to_their_axes(tmp_path):
    network = tiny_tokens(4)
    made = TokenIndex.create(tmp_path / "index", network, FACTS)
    made.facts["width"] = 2
    plane = torch.randn(50, 4, 2) @ torch.randn(2, 24)
    made.fit(plane)
    short = made.shortened(plane)
    assert short.shape == (50, 4, 2)
    torch.testing.assert_close(torch.cdist(short[0], short[0]), torch.cdist(plane[0], plane[0]), atol=1e-3, rtol=1e-3)


def test_pictures_of_one_shape_go_together():
    network = tiny_tokens(4)
    shapes = [(8, 8), (8, 8), (16, 8), (8, 8)]
    pictures = ((number, np.zeros((*shape, 3), np.uint8)) for number, shape in enumerate(shapes))
    found = [(keys, tuple(pixels.shape[2:])) for keys, pixels in batches_of(network, pictures, whole=True)]
    assert found == [([0, 1], (8, 8)), ([2], (16, 8)), ([3], (8, 8))]


def test_what_is_no_index_is_refused(tmp_path):
    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="no index that this version reads"):
        TokenIndex.open(tmp_path)
    network = tiny_tokens(4)
    object.__setattr__(network.config, "tokens", 0)
    with pytest.raises(InputError, match="every patch"):
        TokenIndex.create(tmp_path / "b", network, FACTS)
