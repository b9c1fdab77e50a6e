"""calibration.json: each way to get it wrong is one line that names the place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.formats.calibration import read_calibration


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "dictionary"),
        ('{"color": {"fx": 1, "fy": 1, "cx": 0, "cy": 0, "fxx": 1}}', "did you mean fx"),
        ('{"depth_to_color": {"translaton": [0, 0, 0]}}', "did you mean translation"),
        ('{"depth_scale": 0}', "depth_scale.*greater than 0"),
        ('{"depth": {"fx": 1, "fy": 1, "cx": NaN, "cy": 0}}', "finite"),
        ('{"depth_to_color": [[1, 0], [0, 1]]}', "4x4"),
        ('{"depth_to_color": [[2,0,0,0],[0,2,0,0],[0,0,2,0],[0,0,0,1]]}', "not rigid"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(InputError, match=f"calibration.json.*({said})") as error:
        read_calibration(tmp_path)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) is None


def test_a_turn_and_a_shift(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text('{"depth_to_color": [[0,-1,0,1],[1,0,0,2],[0,0,1,3],[0,0,0,1]]}')
    calibration = read_calibration(tmp_path)
    np.testing.assert_array_equal(calibration.depth_to_color_matrix() @ [1, 0, 0, 1], [1, 3, 3, 1])
