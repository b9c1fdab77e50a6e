import pytest
import torch
from torch import nn

from scanwise.training.teacher import follow, momentum


def test_momentum_rises_along_half_a_cosine():
    assert [momentum(progress, 0.9) for progress in (0.0, 0.5, 1.0)] == pytest.approx([0.9, 0.95, 1.0])


def test_the_teacher_follows_and_is_not_trained():
    teacher, student = nn.Linear(2, 1), nn.Linear(2, 1)
    before = teacher.weight.clone()
    follow(teacher, student, 0.75)
    torch.testing.assert_close(teacher.weight, 0.75 * before + 0.25 * student.weight)
    assert teacher.weight.grad_fn is None
