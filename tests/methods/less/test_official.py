"""Official LESS weights: every name finds its place, and what the release lacks is said."""

import pytest
import torch

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.interop import load_less
from scanwise.methods.less.official import _as_ours


def test_a_pointwise_kernel_is_read_as_spconv_reads_it() -> None:
    memory = torch.arange(6.0)
    stored = memory.view(2, 1, 1, 1, 3)  # says (Cout 2, Cin 3)
    ours = _as_ours("unet.blocks_tail.block0.i_branch.0.weight", stored)
    assert torch.equal(ours.flatten(1), memory.view(3, 2).T)


def test_a_file_of_something_else() -> None:
    with pytest.raises(InputError, match="is this a file of LESS"):
        load_less({"weight": torch.zeros(1)})


def official_state() -> dict[str, torch.Tensor]:
    """Names and shapes as the release has them, two levels of four channels, one residual block."""
    state: dict[str, torch.Tensor] = {}

    def norm(name: str, width: int) -> None:
        state.update(
            {f"{name}.{part}": torch.ones(width) for part in ("weight", "bias", "running_mean", "running_var")}
        )

    def linear(name: str, rows: int, columns: int) -> None:
        state.update({f"{name}.weight": torch.zeros(rows, columns), f"{name}.bias": torch.zeros(rows)})

    def block(name: str, inside: int, width: int) -> None:
        norm(f"{name}.conv_branch.0", inside)
        norm(f"{name}.conv_branch.3", width)
        state[f"{name}.conv_branch.2.weight"] = torch.zeros(width, 3, 3, 3, inside)
        state[f"{name}.conv_branch.5.weight"] = torch.zeros(width, 3, 3, 3, width)

    def attention(name: str, width: int) -> None:
        state[f"{name}.in_proj_weight"] = torch.zeros(3 * width, width)
        state[f"{name}.in_proj_bias"] = torch.zeros(3 * width)
        linear(f"{name}.out_proj", width, width)

    state["input_conv.0.weight"] = torch.zeros(4, 3, 3, 3, 6)
    for prefix, width in (("unet", 4), ("unet.u", 8)):
        attention(f"{prefix}.pwca.attn", width)
        linear(f"{prefix}.pwca.mlp.0", width, width)
        state.update({f"{prefix}.pwca.norm.{part}": torch.ones(width) for part in ("weight", "bias")})
        block(f"{prefix}.blocks.block0", width, width)
    block("unet.blocks_tail.block0", 8, 4)
    state["unet.blocks_tail.block0.i_branch.0.weight"] = torch.zeros(4, 1, 1, 1, 8)
    norm("unet.conv.0", 4)
    norm("unet.deconv.0", 8)
    state["unet.conv.2.weight"] = torch.zeros(8, 2, 2, 2, 4)
    state["unet.deconv.2.weight"] = torch.zeros(4, 2, 2, 2, 8)
    norm("output_layer.0", 4)
    linear("sentense_output_layer.0", 8, 8)
    linear("sentense_output_layer.3", 16, 8)
    decoder = "query_decoder"
    state[f"{decoder}.query.weight"] = torch.zeros(3, 16)
    for name in (
        "out_norm",
        "input_proj.1",
        "cross_attn_layers.0.norm",
        "self_attn_layers.0.norm",
        "ffn_layers.0.norm",
    ):
        state.update({f"{decoder}.{name}.{part}": torch.ones(16) for part in ("weight", "bias")})
    linear(f"{decoder}.input_proj.0", 16, 4)
    linear(f"{decoder}.x_mask.0", 16, 4)
    linear(f"{decoder}.x_mask.2", 16, 16)
    attention(f"{decoder}.cross_attn_layers.0.attn", 16)
    attention(f"{decoder}.self_attn_layers.0.attn", 16)
    linear(f"{decoder}.ffn_layers.0.net.0", 32, 16)
    linear(f"{decoder}.ffn_layers.0.net.3", 16, 32)
    linear(f"{decoder}.out_cls.0", 16, 16)
    return state


TEXT = {"vocab_size": 7, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 4,
        "max_position_embeddings": 9}  # fmt: skip


def test_a_release_without_word_fusion_is_said_to_lack_it() -> None:
    from transformers import RobertaConfig, RobertaModel

    text = RobertaModel(RobertaConfig(type_vocab_size=1, **TEXT))
    state = official_state() | {f"language_encoder.{name}": value for name, value in text.state_dict().items()}
    with pytest.warns(ScanwiseWarning, match="no word-fusion layers"):
        model = load_less(state, {"roberta": TEXT})
    assert model.recipe.official
    assert (model.recipe.levels, model.recipe.blocks, model.recipe.queries) == (2, 1, 3)
    with pytest.raises(InputError, match=r"'unet\.other\.weight'"):
        load_less(state | {"unet.other.weight": torch.zeros(1)}, {"roberta": TEXT})
