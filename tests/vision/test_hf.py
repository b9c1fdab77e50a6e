"""Tiny random CLIP and SigLIP models, saved and loaded as a user's own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.vision import Vision, load_vision
from scanwise.vision.hf import VOCABULARY, find_folder

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
PATCH = 48  # 7 patches on the shorter side
TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = ["[PAD]", "[UNK]", "[EOS]", "a", "in", "scene", "chair", "table"]


def save_model(folder: Path, kind: str) -> Path:
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(0)
    text = TOWER | {"vocab_size": len(WORDS), "max_position_embeddings": 12, "pad_token_id": 0}
    text |= {"bos_token_id": 1, "eos_token_id": 2}
    vision = TOWER | {"image_size": 4 * PATCH, "patch_size": PATCH}
    if kind == "clip":
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    else:
        model = SiglipModel(SiglipConfig(text_config=text | {"projection_size": 16}, vision_config=vision))
    for parameter in model.parameters():
        if parameter.ndim > 0:
            torch.nn.init.normal_(parameter, std=0.3)
    model.logit_scale.data.fill_(2.0)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": STD}))
    return folder


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    ).save_pretrained(folder)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(request.param), request.param)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_features_have_one_place_per_patch(folder: Path):
    vision = load_vision(f"hf:{folder}")
    assert isinstance(vision, Vision)
    features = vision.encode_image(picture(48, 64))
    assert features.shape == (vision.dim, 7, 9)
    assert features.dtype == torch.float32
    assert torch.allclose(features.norm(dim=0), torch.ones(7, 9))
    assert vision.scale == pytest.approx(np.exp(2.0))
    assert vision.class_scores(features.flatten(1).T).shape == (63, len(VOCABULARY))
    assert {len(value) for value in vision.model_hashes.values()} == {64}


def test_alike_patches_have_the_image_feature(folder: Path, tmp_path: Path):
    """Where every token is the same, attention averages equal values and the dense path is the pooled one."""
    vision = load_vision(f"hf:{folder}@value")
    model = vision._model
    embeddings = model.vision_model.embeddings
    grey = np.full((PATCH * 7, PATCH * 7, 3), 90, np.uint8)
    normal = (torch.full((3,), 90 / 255) - torch.tensor(MEAN)) / torch.tensor(STD)
    pixels = normal[None, :, None, None].expand(1, 3, PATCH * 4, PATCH * 4)
    with torch.inference_mode():
        embeddings.position_embedding.weight.data = embeddings.position_embedding.weight.data[:1].repeat(
            len(embeddings.position_embedding.weight), 1
        )
        if hasattr(embeddings, "class_embedding"):
            embeddings.class_embedding.data = embeddings.patch_embedding(pixels)[0, :, 0, 0].clone()
        expected = model.get_image_features(pixel_values=pixels).pooler_output[0]
    features = vision.encode_image(grey)
    expected = torch.nn.functional.normalize(expected, dim=0)
    assert torch.allclose(features, expected[:, None, None].expand_as(features), atol=1e-5)


def test_a_word_is_the_mean_of_its_sentences(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path))
    vision, each = load_vision(f"hf:{folder}"), []
    both = ("a {} in a scene", "in a {}")
    for templates in ((both[0],), (both[1],), both):
        monkeypatch.setattr("scanwise.vision.hf.TEMPLATES", templates)
        each.append(vision.encode_texts(["chair", "table"]))
        assert torch.equal(vision.encode_texts(["chair", "table"]), each[-1])  # out of the cache
    mean = torch.nn.functional.normalize(each[0] + each[1], dim=1)
    assert torch.allclose(each[2], mean, atol=1e-6)


def reference(vision, image: np.ndarray, way: str) -> np.ndarray:
    """Dense features of a tiny CLIP, written once more: numpy, head by head, from the papers."""
    model = vision._model
    tower = model.vision_model
    pixels = torch.from_numpy(((image / np.float32(255) - MEAN) / STD).transpose(2, 0, 1)[None]).float()
    with torch.inference_mode():
        x = tower.pre_layrnorm(tower.embeddings(pixels, interpolate_pos_encoding=True))
        for block in tower.encoder.layers[:-1]:
            x = block(x, None)
    last = tower.encoder.layers[-1]
    weights = {name: value.detach().double().numpy() for name, value in last.state_dict().items()}
    x = x[0].double().numpy()
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    normal = normal * weights["layer_norm1.weight"] + weights["layer_norm1.bias"]

    def project(name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ weights[f"self_attn.{name}.weight"].T + weights[f"self_attn.{name}.bias"]

    values = project("v_proj", normal)
    alike = project("q_proj" if way == "clear" else "k_proj", normal)
    side, heads = image.shape[0] // PATCH, TOWER["num_attention_heads"]
    wide = values.shape[1] // heads
    result = np.zeros_like(values)
    for head in range(heads):
        columns = slice(head * wide, (head + 1) * wide)
        for one in range(len(x)):
            scores = alike[:, columns] @ alike[one, columns] / wide**0.5
            for other in range(len(x)):
                if way == "near" and one and other:
                    (row, column), (row2, column2) = divmod(one - 1, side), divmod(other - 1, side)
                    scores[other] += np.exp(-((row - row2) ** 2 + (column - column2) ** 2) / 50)
            share = np.exp(scores - scores.max())
            result[one, columns] = share / share.sum() @ values[:, columns]
    with torch.inference_mode():
        x = tower.post_layernorm(torch.from_numpy(project("out_proj", result)).float())
        found = model.visual_projection(x[1:])
    return torch.nn.functional.normalize(found, dim=1).T.reshape(-1, side, side).numpy()


@pytest.mark.parametrize("way", ["clear", "near"])
def test_ways_equal_an_independent_reference(tmp_path: Path, way: str):
    vision = load_vision(f"hf:{save_model(tmp_path, 'clip')}@{way}")
    image = picture(7 * PATCH, 7 * PATCH)
    np.testing.assert_allclose(vision.encode_image(image).numpy(), reference(vision, image, way), atol=1e-4)


def test_the_way_is_part_of_the_name(folder: Path):
    assert load_vision(f"hf:{folder}@clear").name == f"hf:{folder}@clear"
    assert load_vision(f"hf:{folder}").name.split("@")[1] in ("near", "value")


def test_places_differ_where_the_picture_does(folder: Path):
    vision = load_vision(f"hf:{folder}@value")
    image = np.zeros((336, 336, 3), np.uint8)
    before = vision.encode_image(image)
    image[:PATCH, :PATCH] = 255
    change = (vision.encode_image(image) - before).norm(dim=0)
    assert change.argmax() == 0


def test_texts_equal_the_model_own(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from transformers import AutoModel

    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path))
    monkeypatch.setattr("scanwise.vision.hf.TEMPLATES", ("a {} in a scene",))
    vision = load_vision(f"hf:{folder}")
    names = ["chair", "table in a chair", "chair"]
    sentences = [[3, 6, 4, 3, 5, 2], [3, 7, 4, 3, 6, 4, 3, 5, 2], [3, 6, 4, 3, 5, 2]]
    model = AutoModel.from_pretrained(folder).eval()
    for row, ids in enumerate(sentences):
        if type(model).__name__ == "SiglipModel":
            ids = ids + [0] * (12 - len(ids))
        with torch.inference_mode():
            expected = model.get_text_features(input_ids=torch.tensor([ids])).pooler_output[0]
        assert torch.allclose(
            vision.encode_texts(names)[row], torch.nn.functional.normalize(expected, dim=0), atol=1e-5
        )
    same_case = torch.equal(*vision.encode_texts(["chair", "CHAIR"]))
    assert same_case == (type(model).__name__ == "SiglipModel")  # trained on lower case; this CLIP's words have case
    assert vision.encode_texts(["chair " * 100]).isfinite().all()
    assert vision.encode_texts([]).shape == (0, vision.dim)


def test_normalisation_is_the_model_own(folder: Path, tmp_path: Path):
    grey = np.full((336, 336), 90, np.uint8)
    expected = load_vision(f"hf:{folder}").encode_image(grey)
    other = copy(folder, tmp_path)
    (other / "preprocessor_config.json").unlink()
    with pytest.warns(ScanwiseWarning, match=r"no preprocessor_config\.json"):
        vision = load_vision(f"hf:{other}")
    assert not torch.allclose(vision.encode_image(grey), expected, atol=1e-3)
    (other / "processor_config.json").write_text(
        json.dumps({"image_processor": {"image_mean": MEAN, "image_std": STD}})
    )
    assert torch.equal(load_vision(f"hf:{other}").encode_image(grey), expected)


def copy(folder: Path, target: Path) -> Path:
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_id_that_is_not_at_hand_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="huggingface-cli download nobody/nothing-0 --local-dir DIR"):
        find_folder("nobody/nothing-0")
    with pytest.raises(InputError, match="no such folder"):
        find_folder(str(tmp_path / "a" / "b" / "c"))


def test_folder_without_config(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no config\.json"):
        load_vision(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("config", "message"),
    [('{"model_type": "bert"}', "'bert' are not supported; supported are clip, siglip"), ("{", "cannot read")],
)
def test_other_kinds_are_refused(tmp_path: Path, config: str, message: str):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match=message):
        load_vision(f"hf:{tmp_path}")


def test_incomplete_models_are_refused(folder: Path, tmp_path: Path):
    other = copy(folder, tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(dict(list(weights.items())[1:]), other / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="the weights lack 1 tensors"):
        load_vision(f"hf:{other}")
    (other / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(InputError, match="transformers cannot load this model"):
        load_vision(f"hf:{other}")
    (other / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        load_vision(f"hf:{other}")


def test_transformers_is_imported_only_for_loading():
    code = "import sys; import scanwise.vision.hf; print('transformers' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
