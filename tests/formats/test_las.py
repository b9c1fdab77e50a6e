"""LAS and LAZ: records come back as they were, attributes become extra dimensions, damage is named."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laspy.vlrs.known import ClassificationLookupVlr, GeoKeyDirectoryVlr, GeoKeyEntryStruct, WktCoordinateSystemVlr
from laspy.vlrs.vlrlist import VLRList

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.formats import las
from scanwise.scene import Scene

N = 50


def _survey(path: Path, version: str = "1.4", point_format: int = 7) -> Path:
    """A survey in UTM with everything that LAS has: times, returns, classes, a CRS and an extra dimension."""
    rng = np.random.default_rng(0)
    header = laspy.LasHeader(point_format=point_format, version=version)
    header.offsets, header.scales = [690000, 5336000, 500], [0.01, 0.01, 0.001]
    header.vlrs.append(laspy.VLR("someone", 7, "keep me", b"\x01\x02\x03"))
    data = laspy.LasData(header)
    data.x = 691234.56 + rng.uniform(0, 100, N)
    data.y = 5337000.25 + rng.uniform(0, 100, N)
    data.z = 512.125 + rng.uniform(0, 5, N)
    data.intensity = rng.integers(0, 65536, N)
    data.classification = rng.integers(0, 30, N)
    data.return_number[:] = rng.integers(1, 4, N)
    if "red" in data.point_format.dimension_names:
        data.red, data.green, data.blue = rng.integers(0, 65536, (3, N))
    if "gps_time" in data.point_format.dimension_names:
        data.gps_time = rng.uniform(1e8, 2e8, N)
    data.add_extra_dims([laspy.ExtraBytesParams("Deviation", "uint16"), laspy.ExtraBytesParams("label", "uint8")])
    data.Deviation = rng.integers(0, 9, N)
    data["label"] = rng.integers(0, 9, N)
    data.write(path)
    return path


@pytest.mark.parametrize("suffix", ["las", "laz"])
@pytest.mark.parametrize(("version", "point_format"), [("1.2", 0), ("1.2", 3), ("1.4", 6), ("1.4", 7)])
def test_records_and_header_come_back_and_attributes_become_extra_dimensions(tmp_path, suffix, version, point_format):
    path = _survey(tmp_path / f"a.{suffix}", version, point_format)
    scene = las.read(path)
    label = np.arange(N, dtype=np.int32) - 1
    confidence = np.linspace(0, 1, N, dtype=np.float32)
    las.write(scene.with_columns(label=label, confidence=confidence), tmp_path / f"b.{suffix}")
    before, after = laspy.read(path), laspy.read(tmp_path / f"b.{suffix}")
    for name in before.point_format.dimension_names:
        if name != "label":
            assert np.array_equal(before[name], after[name]), name
    assert np.array_equal(after["label_in"], before["label"])
    assert after["label"].dtype == np.int32
    assert np.array_equal(after["label"], label)
    assert np.array_equal(after["confidence"], confidence)
    assert np.array_equal(after.header.scales, before.header.scales)
    assert np.array_equal(after.header.offsets, before.header.offsets)
    assert after.header.version == before.header.version
    assert after.point_format.id == before.point_format.id
    assert [v.record_data for v in after.vlrs if v.user_id == "someone"] == [b"\x01\x02\x03"]


def test_fields_of_the_scene(tmp_path):
    path = _survey(tmp_path / "a.las")
    data, scene = laspy.read(path), las.read(path)
    assert np.array_equal(scene.points_in_source(), np.stack([data.x, data.y, data.z], 1))
    shift = scene.to_source[:3, 3]
    assert np.array_equal(shift, np.floor(shift))
    assert np.abs(scene.points + shift - scene.points_in_source()).max() < 1e-5
    assert np.array_equal(scene.colors[:, 0], np.round(np.asarray(data.red) / 257))
    assert np.allclose(scene.intensity, np.asarray(data.intensity) / 65535)
    codes = np.asarray(data.classification).astype(int)
    assert np.array_equal(scene.labels, np.where(codes == 0, -1, codes))
    assert scene.classes[6] == "building"
    assert scene.classes[codes.max()] == f"reserved {codes.max()}"
    assert np.array_equal(scene.attributes["gps_time"], data.gps_time)
    assert np.array_equal(scene.attributes["Deviation"], data.Deviation)


def test_reading_and_writing_leave_the_scene_as_it_was(tmp_path):
    scene = las.read(_survey(tmp_path / "a.las"))
    las.write(scene.with_columns(label=np.zeros(N, np.int32)), tmp_path / "b.las")
    las.write(scene, tmp_path / "c.las")
    assert (
        laspy.read(tmp_path / "c.las").points.array.tobytes() == laspy.read(tmp_path / "a.las").points.array.tobytes()
    )


@pytest.mark.parametrize("suffix", ["las", "laz"])
def test_extended_records_come_back_without_those_of_copc(tmp_path, suffix):
    path = _survey(tmp_path / f"a.{suffix}")
    data = laspy.read(path)
    records = [laspy.VLR("someone", 9, "large", b"z" * 70_000), laspy.VLR("copc", 1000, "tree", b"z" * 64)]
    data.evlrs = VLRList(records)
    data.write(path)
    las.write(las.read(path), tmp_path / f"b.{suffix}")
    again = laspy.read(tmp_path / f"b.{suffix}")
    assert [(vlr.user_id, vlr.record_data) for vlr in again.evlrs] == [("someone", b"z" * 70_000)]


@pytest.mark.parametrize("count", [3_000_000_000, 2**60])
@pytest.mark.parametrize("suffix", ["las", "laz"])
def test_a_header_that_lies_about_the_count(tmp_path, suffix, count):
    path = _survey(tmp_path / f"a.{suffix}")
    content = bytearray(path.read_bytes())
    content[247:255] = struct.pack("<Q", count)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.la[sz]"):
        las.read(path)


@pytest.mark.parametrize("minor", [0, 1])
def test_old_versions_are_read_and_written_as_1_2(tmp_path, minor):
    path = _survey(tmp_path / "a.las", "1.2", 1)
    path.write_bytes(_patched(path.read_bytes(), 25, minor))
    scene = las.read(path)
    las.write(scene, tmp_path / "b.las")
    assert str(laspy.read(tmp_path / "b.las").header.version) == "1.2"
    assert np.array_equal(las.read(tmp_path / "b.las").attributes["gps_time"], scene.attributes["gps_time"])


def test_fields_that_changed_since_are_written(tmp_path):
    scene = las.read(_survey(tmp_path / "a.las"))
    labels = np.full(N, 6, np.int32)
    colors = np.full((N, 3), 9, np.uint8)
    las.write(replace(scene, labels=labels, colors=colors), tmp_path / "b.las")
    again = las.read(tmp_path / "b.las")
    assert np.array_equal(again.labels, labels)
    assert np.array_equal(again.colors, colors)
    assert np.array_equal(again.attributes["gps_time"], scene.attributes["gps_time"])


def test_fewer_points_than_the_file_had(tmp_path):
    scene = las.read(_survey(tmp_path / "a.las"))
    half = Scene(scene.points[::2], to_source=scene.to_source, source_points=scene.source_points[::2], raw=scene.raw)
    las.write(half, tmp_path / "b.las")
    assert np.array_equal(las.read(tmp_path / "b.las").source_points, half.source_points)


def test_eight_bits_in_sixteen(tmp_path):
    data = laspy.LasData(laspy.LasHeader(point_format=2, version="1.2"))
    data.x = data.y = data.z = np.arange(3.0)
    data.red, data.green, data.blue = [0, 128, 255], [1, 2, 3], [9, 9, 9]
    data.write(tmp_path / "a.las")
    assert las.read(tmp_path / "a.las").colors.tolist() == [[0, 1, 9], [128, 2, 9], [255, 3, 9]]


def _with_keys(path: Path, keys: dict[int, int]) -> Path:
    directory = GeoKeyDirectoryVlr()
    directory.geo_keys = [GeoKeyEntryStruct(key, 0, 1, value) for key, value in keys.items()]
    directory.geo_keys_header.number_of_keys = len(keys)
    data = laspy.LasData(laspy.LasHeader(point_format=0, version="1.2"))
    data.header.vlrs.append(directory)
    data.x, data.y, data.z = [0, 3937.0], [0, 100.0], [0, 10.0]
    data.write(path)
    return path


def test_feet_become_metres_inside_and_stay_feet_outside(tmp_path):
    scene = las.read(_with_keys(tmp_path / "a.las", {1024: 1, 3076: 9003, 4099: 9002}))
    span = scene.points[1] - scene.points[0]
    assert np.allclose(span, [1200, 100 * 1200 / 3937, 3.048], rtol=1e-6)
    assert np.array_equal(scene.points_in_source()[1], [3937, 100, 10])
    there = scene.points.astype(np.float64) @ scene.to_source[:3, :3].T + scene.to_source[:3, 3]
    assert np.allclose(there, scene.points_in_source(), atol=1e-3)


def test_degrees_are_named(tmp_path):
    path = _with_keys(tmp_path / "a.las", {1024: 2})
    with pytest.warns(ScanwiseWarning, match="degrees"):
        las.read(path)


@given(
    points=st.lists(st.tuples(*[st.floats(-500, 500, width=32)] * 3), min_size=1, max_size=20),
    shift=st.sampled_from([0.0, 4e6]),
    coloured=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_a_scene_from_elsewhere(tmp_path_factory, points, shift, coloured):
    path = tmp_path_factory.mktemp("las") / "a.laz"
    array = np.array(points, np.float32)
    n = len(array)
    to_source = np.eye(4)
    to_source[:3, 3] = shift
    scene = Scene(
        array,
        colors=np.arange(3 * n).reshape(n, 3) % 256 if coloured else None,
        normals=np.tile([0.0, 0, 1], (n, 1)),
        intensity=np.linspace(0, 1, n),
        labels=np.arange(n) - 1,
        instances=np.arange(n),
        classes=["chair"] * n,
        to_source=to_source,
        attributes={"a name that is longer than thirty-two characters": np.arange(n), "wide": np.ones((n, 4))},
    )
    las.write(scene, path)
    again = las.read(path)
    assert np.abs(again.points_in_source() - scene.points_in_source()).max() < 1e-3
    assert np.array_equal(again.colors, scene.colors) if coloured else again.colors is None
    assert np.array_equal(again.normals, scene.normals)
    assert np.array_equal(again.labels, scene.labels)
    assert again.classes == scene.classes
    assert np.array_equal(again.instances, scene.instances)
    assert np.array_equal(again.attributes["a name that is longer than thirty-two characters"], np.arange(n))
    assert np.array_equal(again.attributes["wide_3"], np.ones(n))


def test_asprs_classes_go_back_into_the_classification(tmp_path):
    labels = np.array([-1, 2, 6], np.int32)
    las.write(Scene(np.zeros((3, 3)), labels=labels, classes=list(las.ASPRS)), tmp_path / "a.las")
    assert laspy.read(tmp_path / "a.las").classification.tolist() == [0, 2, 6]
    assert np.array_equal(las.read(tmp_path / "a.las").labels, labels)


def test_millimetres_are_kept_in_millimetres_and_finer_ones_finer(tmp_path):
    las.write(Scene(np.zeros((2, 3)), source_points=np.array([[0, 0, 0], [1.25, 2.5, 3.001]])), tmp_path / "a.las")
    assert laspy.read(tmp_path / "a.las").header.scales.tolist() == [0.001] * 3
    fine = np.array([[0, 0, 0], [0.123456, 1, 2]])
    las.write(Scene(fine, source_points=fine), tmp_path / "b.las")
    assert np.array_equal(las.read(tmp_path / "b.las").source_points, fine)


def test_points_that_are_not_finite_are_left_out_and_counted(tmp_path):
    scene = Scene([[0, 0, 0], [np.nan, 0, 0], [1, np.inf, 0]], attributes={"t": np.array([1.0, 2, 3])})
    with pytest.warns(ScanwiseWarning, match="2 points that are not finite"):
        las.write(scene, tmp_path / "a.las")
    assert las.read(tmp_path / "a.las").attributes["t"].tolist() == [1.0]


def test_text_attributes_are_left_out_and_named(tmp_path):
    with pytest.warns(ScanwiseWarning, match="attribute who"):
        las.write(Scene(np.zeros((1, 3)), attributes={"who": np.array(["me"])}), tmp_path / "a.las")


def test_no_points(tmp_path):
    las.write(Scene(np.zeros((0, 3))), tmp_path / "a.las")
    assert len(las.read(tmp_path / "a.las")) == 0


def test_coordinates_that_do_not_fit(tmp_path):
    with pytest.raises(OutputError, match="apart"):
        las.write(Scene([[0, 0, 0], [1e9, 0, 0]]), tmp_path / "a.las")
    assert not list(tmp_path.iterdir())


def _patched(content: bytes, offset: int, value: int) -> bytes:
    return content[:offset] + bytes([value]) + content[offset + 1 :]


@pytest.mark.parametrize("suffix", ["las", "laz"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"hello, world",
        lambda content: content[:200],
        lambda content: content[:-40],
        lambda content: content[: len(content) // 2],
        lambda content: _patched(content, 25, 9),
        lambda content: _patched(content, 104, 61),
    ],
    ids=["empty", "no LAS", "half a header", "truncated", "half", "version 1.9", "point format 61"],
)
def test_damage_is_one_line(tmp_path, suffix, damage):
    path = _survey(tmp_path / f"a.{suffix}")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        las.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_damaged_table_of_chunks_is_refused(tmp_path):
    """lazrs takes memory for as many chunks as the table promises, and aborts the process where it gets none."""
    content = bytearray(_survey(tmp_path / "a.laz").read_bytes())
    (points,) = struct.unpack_from("<I", content, 96)
    (table,) = struct.unpack_from("<q", content, points)
    for place, form, value, said in (
        (table + 4, "<I", 2**31, "promises 2147483648 chunks"),
        (table, "<I", 7, "of version 7"),
        (points, "<q", 2**40, "at byte 1099511627776"),
        (points, "<q", points, "table of chunks"),
    ):
        damaged = bytearray(content)
        struct.pack_into(form, damaged, place, value)
        (tmp_path / "b.laz").write_bytes(damaged)
        with pytest.raises(InputError, match=said):
            las.read(tmp_path / "b.laz")
    streamed = bytearray(content) + struct.pack("<q", table)
    struct.pack_into("<q", streamed, points, -1)
    (tmp_path / "c.laz").write_bytes(streamed)
    assert len(las.read(tmp_path / "c.laz")) == len(las.read(tmp_path / "a.laz"))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_byte_may_be_wrong(tmp_path_factory, data):
    """Whatever byte is overwritten, the file is read or refused; nothing else is raised."""
    folder = tmp_path_factory.mktemp("las")
    path = _survey(folder / "a.laz")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        scene = las.read(path)
    except InputError:
        return
    except ScanwiseWarning:
        return
    assert scene.points.shape == (len(scene), 3)


@pytest.mark.parametrize("suffix", ["las", "laz"])
def test_a_count_of_records_that_the_file_cannot_hold_is_damage(tmp_path, suffix):
    content = bytearray(_survey(tmp_path / f"a.{suffix}").read_bytes())
    struct.pack_into("<I", content, 100, 2**32 - 1)
    (tmp_path / f"b.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match="4294967295 records after its 375 bytes"):
        las.read(tmp_path / f"b.{suffix}")
    content = bytearray((tmp_path / f"a.{suffix}").read_bytes())
    struct.pack_into("<QI", content, 235, len(content) - 10, 2**31)
    (tmp_path / f"c.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match="2147483648 extended records"):
        las.read(tmp_path / f"c.{suffix}")


def test_an_extra_dimension_without_a_name_gets_one(tmp_path):
    content = _survey(tmp_path / "a.las").read_bytes()
    (tmp_path / "b.las").write_bytes(content.replace(b"Deviation", bytes(9)))
    scene = las.read(tmp_path / "b.las")
    assert np.array_equal(scene.attributes["unnamed"], laspy.read(tmp_path / "a.las")["Deviation"])
    las.write(scene.with_columns(label=np.arange(N)), tmp_path / "c.las")
    assert np.array_equal(laspy.read(tmp_path / "c.las")["unnamed"], scene.attributes["unnamed"])


METRE = 'PROJCRS["a",BASEGEOGCRS["b",DATUM["c",ELLIPSOID["d",6378137,298.2,LENGTHUNIT["metre",1]]]],'
OLD = 'PROJCS["a",GEOGCS["b",DATUM["c",SPHEROID["d",6378137,298.2]],UNIT["degree",0.0174532925199433]],'
US_FOOT = 0.304800609601219


@pytest.mark.parametrize(
    ("text", "across", "up"),
    [
        (OLD + 'PARAMETER["e",1],UNIT["US survey foot",0.304800609601219]]', US_FOOT, US_FOOT),
        (OLD + 'UNIT["foot",0.3048],AXIS["X",EAST]]', 0.3048, 0.3048),
        (OLD + 'UNIT["metre",1]]', 1, 1),
        ('COMPD_CS["f",' + OLD + 'UNIT["metre",1]],VERT_CS["g",VERT_DATUM["h",2005],UNIT["foot",0.3048]]]', 1, 0.3048),
        (METRE + 'CS[Cartesian,2],AXIS["x",east],LENGTHUNIT["foot",0.3048]]', 0.3048, 0.3048),
    ],
)
def test_feet_in_wkt_become_metres_and_go_out_as_feet(tmp_path, text, across, up):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales = [0.001] * 3
    header.vlrs.append(WktCoordinateSystemVlr(text))
    header.global_encoding.wkt = True
    data = laspy.LasData(header)
    data.x, data.y, data.z = np.array([[0, 100], [0, 200], [0, 10]])
    data.write(tmp_path / "a.las")
    scene = las.read(tmp_path / "a.las")
    assert np.allclose(scene.points[1], [100 * across, 200 * across, 10 * up])
    assert np.allclose(scene.points_in_source()[1], [100, 200, 10])
    las.write(scene.with_columns(label=np.arange(2)), tmp_path / "b.las")
    again = laspy.read(tmp_path / "b.las")
    assert [again.x[1], again.y[1], again.z[1]] == [100, 200, 10]


def test_colours_that_are_all_zero_are_none(tmp_path):
    data = laspy.LasData(laspy.LasHeader(point_format=7, version="1.4"))
    data.x = data.y = data.z = np.arange(3.0)
    data.write(tmp_path / "a.las")
    with pytest.warns(ScanwiseWarning, match="colours are all 0"):
        scene = las.read(tmp_path / "a.las")
    assert scene.colors is None


@pytest.mark.parametrize("shift", [0, 8])
def test_colours_of_eight_bits_keep_their_values(tmp_path, shift):
    data = laspy.LasData(laspy.LasHeader(point_format=2, version="1.2"))
    data.x = data.y = data.z = np.arange(256.0)
    data.red = data.green = data.blue = np.arange(256, dtype=np.uint16) << shift
    data.write(tmp_path / "a.las")
    assert las.read(tmp_path / "a.las").colors[:, 0].tolist() == list(range(256))


def test_the_files_own_names_of_user_classes(tmp_path):
    data = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    data.x = data.y = data.z = np.arange(2.0)
    data.classification = [2, 65]
    lookup = ClassificationLookupVlr()
    lookup[2], lookup[65] = "Boden", "Kiosk"
    data.header.vlrs.append(lookup)
    data.write(tmp_path / "a.las")
    scene = las.read(tmp_path / "a.las")
    assert (scene.classes[2], scene.classes[65]) == ("ground", "Kiosk")
    las.write(replace(scene, labels=scene.labels[::-1]), tmp_path / "b.las")
    assert laspy.read(tmp_path / "b.las").classification.tolist() == [65, 2]
