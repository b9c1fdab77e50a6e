"""DINO: its loss by hand, its centre, its teacher, its head."""

import torch
from torch.nn import functional

from scanwise.methods.image_baselines.dino import DINO
from tests.methods.image_baselines.recipes import recipe


def test_dino_pairs_every_view_with_the_other_large_view():
    torch.manual_seed(0)
    model = DINO(recipe("dino")).eval()
    model.center.normal_()
    large, small = torch.rand(4, 3, 16, 16), torch.rand(6, 3, 8, 8)  # 2 pictures: 2 large views, 3 small ones

    def said(images):
        return model.head(model.encoder(images).cls) / 0.1

    with torch.no_grad():
        encoder, head = model.teacher
        answers = ((head(encoder(large).cls) - model.center) / 0.04).softmax(1).split(2)
    views = [*said(large).split(2), *said(small).split(2)]
    losses = [
        functional.cross_entropy(view, answer)
        for v, view in enumerate(views) for a, answer in enumerate(answers) if v != a
    ]  # fmt: skip
    assert len(losses) == 8
    torch.testing.assert_close(model.loss(large, small), torch.stack(losses).mean())


def test_dinos_centre_and_teacher_move():
    torch.manual_seed(0)
    model = DINO(recipe("dino", momentum=0.9))
    large = torch.rand(4, 3, 16, 16)
    encoder, head = model.teacher
    answers = head(encoder(large).cls).mean(0)
    model.loss(large, None)
    torch.testing.assert_close(model.center, 0.1 * answers)
    with torch.no_grad():
        model.encoder.cls += 1
    before = encoder.cls.clone()
    model.after_step(0.0)
    torch.testing.assert_close(encoder.cls, before + 0.1)


def test_dinos_prototypes_have_length_one():
    head = DINO(recipe("dino")).head
    assert head.unit
