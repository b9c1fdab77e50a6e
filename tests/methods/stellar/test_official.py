"""Weights under the official names into our network: any of the published shapes, and what is wrong with others."""

import pytest
import torch
from safetensors.torch import save_file

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.interop import load_stellar
from scanwise.methods.stellar.official import stellar_config

TINY = {"image": 8, "patch": 4, "width": 8, "depth": 2, "mlp": 16, "tokens": 3, "decoder": (4, 1, 8), "clusters": 6}


def official(image, patch, width, depth, mlp, tokens, decoder, clusters, dim=256, hidden=2048, codes=0, device=None):
    """A random state dict under the official names."""
    decoder_width, decoder_depth, decoder_mlp = decoder
    count = (image // patch) ** 2

    def rand(*shape):
        return torch.empty(shape, device=device) if device else torch.randn(shape)

    state = {"sparse_tokens": rand(tokens, width)}
    parts = (("encoder", width, depth, mlp), ("decoder", decoder_width, decoder_depth, decoder_mlp))
    for part, channels, layers, inner in parts:
        state |= {
            f"{part}.embeddings.cls_token": rand(1, 1, channels),
            f"{part}.embeddings.position_embeddings": rand(1, count + 1, channels),
            f"{part}.embeddings.patch_embeddings.projection.weight": rand(channels, 3, patch, patch),
            f"{part}.embeddings.patch_embeddings.projection.bias": rand(channels),
            f"{part}.layernorm.weight": rand(channels), f"{part}.layernorm.bias": rand(channels),
            f"{part}.pooler.dense.weight": rand(channels, channels), f"{part}.pooler.dense.bias": rand(channels),
        }  # fmt: skip
        for layer in range(layers):
            name = f"{part}.encoder.layer.{layer}"
            shapes = {f"attention.attention.{x}": (channels, channels) for x in ("query", "key", "value")}
            shapes |= {"attention.output.dense": (channels, channels), "intermediate.dense": (inner, channels),
                       "output.dense": (channels, inner), "layernorm_before": (channels,),
                       "layernorm_after": (channels,)}  # fmt: skip
            for key, shape in shapes.items():
                state |= {f"{name}.{key}.weight": rand(*shape), f"{name}.{key}.bias": rand(shape[0])}
    head = (codes, decoder_width) if codes else (decoder_width, 3, patch, patch)
    state |= {
        "dense_proj.weight": rand(width, width), "dense_proj.bias": rand(width),
        "sparse_proj.weight": rand(width, width), "sparse_proj.bias": rand(width),
        "decoder_proj.weight": rand(decoder_width, width), "decoder_proj.bias": rand(decoder_width),
        "reconstruction_head.weight": rand(*head), "reconstruction_head.bias": rand(codes or 3),
        "position_embedding.positional_encoding_gaussian_matrix": rand(2, decoder_width // 2),
    }  # fmt: skip
    for name in ("clustering_head", "cls_cluster_head") if clusters else ():
        state |= {
            f"{name}.predictor.layers.0.weight": rand(hidden, width), f"{name}.predictor.layers.0.bias": rand(hidden),
            f"{name}.predictor.layers.2.weight": rand(dim, hidden), f"{name}.predictor.layers.2.bias": rand(dim),
            f"{name}.layer.weight": rand(clusters, dim),
        }  # fmt: skip
    return state


@pytest.mark.parametrize(
    ("width", "depth", "patch", "heads", "tokens"),
    [(768, 12, 16, 12, 8), (768, 12, 16, 12, 16), (768, 12, 16, 12, 24), (1024, 24, 16, 16, 16),
     (1280, 32, 14, 16, 16)],
)  # fmt: skip
def test_the_published_shapes_are_read_off_the_weights(width, depth, patch, heads, tokens):
    state = official(224, patch, width, depth, 4 * width, tokens, (512, 6, 2048), 16384, device="meta")
    config = stellar_config(state, {})
    assert (config.encoder.image, config.encoder.patch, config.encoder.width) == (224, patch, width)
    assert (config.encoder.depth, config.encoder.heads, config.encoder.mlp) == (depth, heads, 4 * width)
    assert (config.tokens, config.codes, config.temperature) == (tokens, 0, 0.06)
    assert (config.decoder_width, config.decoder_depth, config.decoder_heads) == (512, 6, 8)
    assert (config.prototypes, config.prototype_width, config.predictor) == (16384, 256, 2048)


def test_a_file_encodes_and_reconstructs(tmp_path):
    torch.manual_seed(0)
    state = official(**TINY, dim=4, hidden=10)
    save_file(state, tmp_path / "stellar.safetensors")
    network = load_stellar(tmp_path / "stellar.safetensors", {"encoder": {"num_attention_heads": 2}})
    images = torch.rand(2, 3, 8, 8)
    encoded = network.encode(images)
    assert encoded.sparse.shape == (2, 3, 8)
    assert network.reconstruct(images).shape == images.shape
    qkv = network.encoder.transformer.blocks[1].attention.qkv.weight
    assert torch.equal(qkv[8:16], state["encoder.encoder.layer.1.attention.attention.key.weight"])
    assert torch.equal(network.tokens, state["sparse_tokens"])
    assert not network.training


def test_weights_of_codes_and_without_cluster_heads():
    state = official(**(TINY | {"clusters": 0}), codes=10)
    state["reconstruction_head.weight"] = state["reconstruction_head.weight"][:, :, None, None]
    with pytest.warns(ScanwiseWarning, match="no cluster heads"):
        network = load_stellar({f"module.{name}": value for name, value in state.items()})
    assert network.config.codes == 10
    assert network.decode(network.encode(torch.rand(1, 3, 8, 8))).shape == (1, 4, 10)


def test_other_weights_are_refused_in_one_line():
    state = official(**TINY, dim=4, hidden=10)
    with pytest.raises(InputError, match="is this a file of STELLAR"):
        load_stellar({"conv1.weight": torch.zeros(3)})
    with pytest.raises(InputError, match=r"key\.weight is missing"):
        load_stellar({n: v for n, v in state.items() if n != "encoder.encoder.layer.1.attention.attention.key.weight"})
    with pytest.raises(InputError, match=r"dense_project\.bias is missing"):
        load_stellar({name: value for name, value in state.items() if name != "dense_proj.bias"})
    with pytest.raises(InputError, match="no part of the network"):
        load_stellar(state | {"extra.weight": torch.zeros(2)})
