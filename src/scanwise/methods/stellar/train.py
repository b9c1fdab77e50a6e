"""Trains STELLAR on images; classes, where there are any, only tell how well it goes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from scanwise.data.images import collate
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import knn_accuracy, reconstruction_errors
from scanwise.methods.stellar.evaluate import image_features
from scanwise.methods.stellar.model import Stellar
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn.sparse_tokens import SparseTokens, Tokenizer
from scanwise.nn.vit import resized_positions
from scanwise.training.checkpoints import load
from scanwise.training.images import training_images, validation_images
from scanwise.training.run import Run


def train(
    recipe: StellarRecipe, out: Path, fabric: Fabric, tokenizer: Tokenizer | None = None, **options: Any
) -> dict[str, float]:
    """Trains on the `train` images but for some held out, by whose kNN the weights in `best.ckpt` are chosen.

    `test` images are not looked at. Images without classes are validated by their reconstruction.

    Args:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        tokenizer: whose codes are reconstructed; None = pixels are.
        options: `progress` and `say`, as of `Run`.

    Returns:
        The best metrics.

    Raises:
        InputError: no images are there, or `init` has another ViT.
    """
    run = Run(recipe, out, fabric, **options)
    codes = tokenizer.codes if tokenizer else 0
    model = run.build(lambda: Stellar(recipe, SparseTokens(recipe.network(codes)), tokenizer))
    if recipe.init:
        start_from(model, Path(recipe.init))
    loader = run.loader(training_images(recipe), collate)
    known, asked = validation_images(recipe)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, Stellar)
        network = module.network
        metrics = reconstruction_errors(
            lambda images: network.reconstruct(images, tokenizer), asked, recipe.image, run.device
        )
        if known.classes:
            metrics |= knn_accuracy(
                lambda images: image_features(network, images), known, asked, recipe.image, run.device
            )
        return {**metrics, "score": metrics.get("knn_sparse", metrics["psnr"])}

    return run.fit("stellar", model, loader, validate=validate, facts={"network": asdict(model.network.config)})


def start_from(model: Stellar, path: Path) -> None:
    """Takes over the ViT of another run (of MAE, say), and of a STELLAR run whatever else fits.

    Positions are interpolated to this run's grid; what the other run lacks stays random.

    Args:
        model: its network and its teacher are changed.
        path: checkpoint, folder of a run, or name of shipped weights.

    Raises:
        InputError: the checkpoint has another ViT.
    """
    checkpoint, network = load(path), model.network
    weights = checkpoint.under("network.")
    weights = weights or {f"encoder.{name}": value for name, value in checkpoint.under("encoder.").items()}
    own, positions = network.state_dict(), "encoder.positions"
    if positions in weights:
        weights[positions] = resized_positions(weights[positions], network.config.encoder.grid)
    fits = {name for name in own if name in weights and weights[name].shape == own[name].shape}
    wrong = [name for name in own if name.startswith("encoder.") and name not in fits]
    if wrong:
        raise InputError(f"{path}: its ViT does not fit ({wrong[0]}); are size and patch those of that run?")
    network.load_state_dict({name: weights[name] for name in fits}, strict=False)
    if model.teacher is not None:
        model.teacher.load_state_dict(network.state_dict())
