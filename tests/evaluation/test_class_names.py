"""Classes are matched by name, and what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.evaluation.class_names import left_out_text, match_classes, translated
from scanwise.formats import kitti, las, nuscenes, s3dis, waymo
from scanwise.formats.scannet_labels import SCANNET_20
from scanwise.scene import Scene


def matched(own, classes) -> dict[str, str]:
    places = match_classes(own, classes)
    assert places[-1] == -1
    return {name: classes[place] for name, place in zip(own, places[:-1], strict=True) if place >= 0}


def test_order_case_spaces_and_hyphens_do_not_matter():
    assert matched(["Floor", "traffic_sign", "book shelf", "lamp"], ["bookshelf", "Traffic-Sign", "floor"]) == {
        "Floor": "floor", "traffic_sign": "Traffic-Sign", "book shelf": "bookshelf",
    }  # fmt: skip


def test_the_very_name_goes_before_a_spelling_of_it():
    assert matched(["Wall", "wall"], ["wall", "Wall"]) == {"Wall": "Wall", "wall": "wall"}


def test_words_of_shipped_vocabularies_are_understood():
    rooms = matched(s3dis.CLASSES, SCANNET_20)
    assert rooms == {
        name: name for name in ("floor", "wall", "window", "door", "table", "chair", "sofa")
    } | {"bookcase": "bookshelf"}  # fmt: skip
    drive = matched(nuscenes.CLASSES, kitti.CLASSES)
    assert drive["driveable_surface"] == "road"
    assert drive["pedestrian"] == "person"
    assert drive["bus"] == drive["trailer"] == drive["construction_vehicle"] == "other-vehicle"
    assert "barrier" not in drive
    assert matched(waymo.CLASSES, kitti.CLASSES)["tree trunk"] == "trunk"
    assert matched(kitti.CLASSES, waymo.CLASSES)["trunk"] == "tree trunk"
    assert matched(las.ASPRS, kitti.CLASSES)["high vegetation"] == "vegetation"
    assert matched(["office chair", "couch", "vase"], SCANNET_20) == {}  # "couch" is no name of ours
    assert matched(["office chair", "sofa", "vase"], SCANNET_20) == {
        "office chair": "chair", "sofa": "sofa", "vase": "otherfurniture",
    }  # fmt: skip


def test_words_of_other_lists_are_not_guessed():
    assert matched(["bookcase", "my thing"], SCANNET_20) == {}
    assert matched(["bookcase"], ["bookshelf", "my thing"]) == {}


@pytest.mark.parametrize("streets", [kitti.CLASSES, nuscenes.CLASSES, waymo.CLASSES])
def test_rooms_and_streets_have_nothing_in_common(streets):
    assert matched(streets, SCANNET_20) == {}
    assert matched(SCANNET_20, streets) == {}


def scene(labels, classes) -> Scene:
    return Scene(np.zeros((len(labels), 3)), labels=np.array(labels), classes=classes, name="s")


def test_labels_are_translated_and_the_rest_is_unlabelled_and_counted():
    found, left_out = translated(scene([0, 1, 2, 2, -1, 3], ["lamp", "wall", "rug", "floor"]), ["floor", "wall", "sky"])
    assert found.labels.tolist() == [-1, 1, -1, -1, -1, 0]
    assert found.classes == ["floor", "wall", "sky"]
    assert left_out == {"lamp": 1, "rug": 2}
    assert left_out_text(left_out) == "3 points of classes that the weights do not know (rug, lamp) count as unlabelled"
    assert left_out_text({}) == ""
    assert translated(scene([1], ["lamp", "wall"]), ["wall"])[1] == {}  # no point is a lamp


def test_classes_without_names_are_called_by_their_numbers():
    found, left_out = translated(scene([0, 2], None), ["2", "0"])
    assert found.labels.tolist() == [1, 0]
    assert left_out == {}
    with pytest.raises(InputError, match=r"s: its classes \(0, 2\) and those of the weights \(wall\) have none"):
        translated(scene([0, 2], None), ["wall"])


def test_what_cannot_be_measured_is_refused_in_one_line():
    street = scene([0, 1], ["car", "tree", "road", "pole", "sign"])
    with pytest.raises(InputError) as error:
        translated(street, ["floor", "wall"])
    assert str(error.value) == (
        "s: its classes (car, tree, road and 2 more) and those of the weights (floor, wall) have none in common; "
        "measure on scenes with classes of the weights"
    )
    with pytest.raises(InputError, match="s: has no labels"):
        translated(replace(street, labels=None), ["floor"])
    with pytest.raises(InputError, match="s: has points of class 7, and names 1 classes"):
        translated(scene([7], ["floor"]), ["floor"])
