"""Meshes: poses, joining, panels and boxes."""

import numpy as np

from scanwise.synth.mesh import box, face_normals, joined, rectangle


def test_box_faces_look_outwards_and_carry_those_normals():
    cube = box((0, 0, 0), (2, 3, 4), color=(1, 2, 3))
    flat = face_normals(cube.vertices, cube.faces)
    middle = cube.vertices[cube.faces].mean(1) - [1, 1.5, 2]
    assert len(cube.faces) == 12
    assert ((flat * middle).sum(1) > 0).all()
    np.testing.assert_array_equal(cube.normals, np.repeat(flat[:, None], 3, axis=1).astype(np.float32))
    np.testing.assert_array_equal(cube.bounds, [[0, 0, 0], [2, 3, 4]])


def test_moved_turns_normals_the_right_way_under_uneven_scale():
    ramp = rectangle((0, 0, 0), (1, 0, 1), (0, 1, 0))
    scaled = ramp.moved(np.diag([2.0, 1.0, 1.0, 1.0]))
    expected = face_normals(scaled.vertices, scaled.faces)
    np.testing.assert_allclose(scaled.normals[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(scaled.normals[0, 0], np.array([-1, 0, 2]) / np.sqrt(5), atol=1e-6)


def test_joined_keeps_each_part_on_its_own_vertices_and_texture():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    blue = np.full((2, 2, 3), (0, 0, 255), np.uint8)
    parts = [
        rectangle((0, 0, 0), (1, 0, 0), (0, 1, 0), texture=red),
        rectangle((5, 0, 0), (1, 0, 0), (0, 1, 0), color=(9, 9, 9)),
        rectangle((9, 0, 0), (1, 0, 0), (0, 1, 0), texture=blue),
    ]
    whole = joined(parts)
    np.testing.assert_array_equal(whole.texture, [0, 0, -1, -1, 1, 1])
    assert whole.textures[1][0, 0].tolist() == [0, 0, 255, 255]
    for number, part in enumerate(parts):
        corners = whole.vertices[whole.faces[2 * number : 2 * number + 2]]
        np.testing.assert_array_equal(corners, part.vertices[part.faces])
