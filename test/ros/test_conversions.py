"""PointCloud2 in every layout that drivers send, and the clouds that go out."""

from array import array
from itertools import product

import numpy as np
import pytest
from cloud_messages import column, make_cloud_msg, msg_from_cloud, packed, positions
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField

from clickseg3d_core import CloudError, ConfigError, PointCloud, Segmentation
from clickseg3d_ros.cloud_layout import structured_points
from clickseg3d_ros.conversions import UNLABELED, cloud_from_msg, segmented_msg, subset_msg
from clickseg3d_ros.msg import InstanceArray
from clickseg3d_ros.palette import instance_color

N = 24
LAYOUTS = [
    {"height": height, "gap": gap, "tail": tail, "row_tail": row_tail, "big_endian": big}
    for height, (gap, tail), row_tail, big in product(
        (1, 4), ((0, 0), (1, 0), (4, 3)), (0, 12), (False, True)
    )
]


def colors(n: int = N) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (n, 3)).astype(np.uint8)


def xyz_of(columns: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([columns[name] for name in "xyz"], axis=1).astype(np.float64)


def segmentation(labels: np.ndarray) -> Segmentation:
    return Segmentation(
        labels=labels.astype(np.int32),
        probabilities=np.linspace(0.25, 0.75, len(labels)).astype(np.float32),
        instances=(),
    )


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_every_layout_gives_the_points_in_order(layout, dtype):
    columns = {**positions(N, dtype), "rgb": packed(colors()).view(np.float32)}
    cloud = cloud_from_msg(make_cloud_msg(columns, **layout))
    np.testing.assert_array_equal(cloud.xyz, xyz_of(columns))
    np.testing.assert_array_equal(cloud.rgb, colors())


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("name", ["rgb", "rgba"])
@pytest.mark.parametrize("dtype", ["f4", "u4", "i4"])
@pytest.mark.parametrize("alpha", [0x00, 0x7F, 0xFF])  # 0x7F and 0xFF make NaN of many colors
def test_packed_colors_survive_as_bits(big_endian, name, dtype, alpha):
    bits = packed(colors()) | np.uint32(alpha << 24)
    columns = {**positions(N), name: bits.view(dtype)}
    cloud = cloud_from_msg(make_cloud_msg(columns, big_endian=big_endian))
    np.testing.assert_array_equal(cloud.rgb, colors())


@pytest.mark.parametrize("names", [("r", "g", "b"), ("red", "green", "blue")])
@pytest.mark.parametrize("big_endian", [False, True])
def test_separate_colors_are_bytes_or_fractions(names, big_endian):
    as_bytes = {**positions(N), **dict(zip(names, colors().T, strict=True))}
    fractions = (colors() / 255.0).astype(np.float32)
    as_floats = {**positions(N), **dict(zip(names, fractions.T, strict=True))}
    for columns in (as_bytes, as_floats):
        cloud = cloud_from_msg(make_cloud_msg(columns, big_endian=big_endian))
        np.testing.assert_array_equal(cloud.rgb, colors())


def test_color_in_one_field_of_three_values():
    cloud = cloud_from_msg(make_cloud_msg({**positions(N), "rgb": colors()}))
    np.testing.assert_array_equal(cloud.rgb, colors())


def test_intensity_alone_is_no_color():
    columns = {**positions(N), "intensity": np.linspace(0, 1, N).astype(np.float32)}
    assert cloud_from_msg(make_cloud_msg(columns)).rgb is None


def test_points_that_are_not_finite_are_kept_in_place():
    columns = positions(N)
    columns["x"][3], columns["y"][7], columns["z"][9] = np.nan, np.inf, -np.inf
    cloud = cloud_from_msg(make_cloud_msg(columns, height=4))
    assert np.flatnonzero(~np.isfinite(cloud.xyz).all(axis=1)).tolist() == [3, 7, 9]
    np.testing.assert_array_equal(cloud.xyz, xyz_of(columns))


def test_normals_are_used_only_where_every_finite_point_has_one():
    normals = np.tile(np.array([0.6, 0.0, 0.8], np.float32), (N, 1))
    columns = positions(N)
    columns["x"][2] = np.nan
    normals[2] = np.nan
    names = ("normal_x", "normal_y", "normal_z")
    complete = {**columns, **dict(zip(names, normals.T, strict=True))}
    np.testing.assert_array_equal(cloud_from_msg(make_cloud_msg(complete)).normals, normals)
    normals[4] = np.nan
    missing = {**columns, **dict(zip(names, normals.T, strict=True))}
    assert cloud_from_msg(make_cloud_msg(missing)).normals is None


def test_a_single_row_needs_no_row_step():
    message = make_cloud_msg(positions(N))
    message.row_step = 0
    assert len(cloud_from_msg(message)) == N


def test_fields_of_count_zero_hold_one_value():
    message = make_cloud_msg(positions(N))
    for field in message.fields:
        field.count = 0
    assert len(cloud_from_msg(message)) == N


def test_fields_may_overlap_and_stand_in_any_order():
    columns = positions(N)
    message = make_cloud_msg({"z": columns["z"], "x": columns["x"], "y": columns["y"]})
    message.fields = [*message.fields, PointField(name="all", offset=0, datatype=7, count=3)]
    np.testing.assert_array_equal(cloud_from_msg(message).xyz, xyz_of(columns))


def test_the_cloud_does_not_share_memory_with_the_message():
    message = make_cloud_msg(positions(N))
    cloud = cloud_from_msg(message)
    before = cloud.xyz.copy()
    for i in range(len(message.data)):
        message.data[i] = 0
    np.testing.assert_array_equal(cloud.xyz, before)


def test_reading_leaves_a_big_endian_message_as_it_was():
    message = make_cloud_msg(positions(N), big_endian=True)
    before = message.data.tobytes()
    cloud_from_msg(message)
    assert message.data.tobytes() == before


def _without(name):
    return lambda m: setattr(m, "fields", [f for f in m.fields if f.name != name])


def _set(**values):
    return lambda m: [setattr(m, name, value) for name, value in values.items()]


def _field(index, **values):
    return lambda m: [setattr(m.fields[index], name, value) for name, value in values.items()]


MALFORMED = {
    "no z": (_without("z"), "x, y and z, got x, y"),
    "no fields": (_set(fields=[]), "got none"),
    "data cut short": (lambda m: m.data.pop(), "needs 288 bytes of data, got 287"),
    "no data": (_set(data=array("B")), "got 0"),
    "absurd counts": (_set(height=2**32 - 1, width=2**32 - 1, row_step=2**32 - 1), "row_step"),
    "absurd width": (_set(width=2**32 - 1), "bytes of data"),
    "absurd height": (_set(height=2**32 - 1), "bytes of data"),
    "point_step 0": (_set(point_step=0), "point_step must be"),
    "absurd point_step": (_set(point_step=2**32 - 1), "point_step must be"),
    "point_step too small": (_set(point_step=8), "field z ends at byte 12"),
    "row_step too small": (
        _set(height=2, width=12, row_step=100),
        r"row_step must be at least .* = 144",
    ),
    "field beyond the point": (_field(2, offset=9), "field z ends at byte 13"),
    "absurd offset": (_field(2, offset=2**32 - 1), "field z ends"),
    "absurd field count": (_field(1, count=2**32 - 1), "field y ends"),
    "two fields x": (_field(1, name="x"), "unique"),
    "unknown type of x": (_field(0, datatype=77), "x, y and z, got y, z"),
    "three values in x": (_field(0, count=3), "single-value"),
    "no points": (_set(width=0), "empty"),
    "no rows": (_set(height=0), "empty"),
    "absurd width of no rows": (_set(height=0, width=2**32 - 1), "empty"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_messages_are_refused_with_a_reason(name):
    spoil, reason = MALFORMED[name]
    message = make_cloud_msg(positions(N))
    spoil(message)
    with pytest.raises(CloudError, match=reason):
        cloud_from_msg(message)


def test_a_cloud_of_nothing_but_nan_is_refused():
    columns = {name: np.full(N, np.nan, np.float32) for name in "xyz"}
    with pytest.raises(CloudError, match="finite"):
        cloud_from_msg(make_cloud_msg(columns))


# It takes padding between rows for points, so such layouts are left out.
@pytest.mark.parametrize("layout", [k for k in LAYOUTS if not k["row_tail"]], ids=str)
def test_positions_equal_those_of_sensor_msgs_py(layout):
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="not on PyPI")
    message = make_cloud_msg(positions(N), **layout)
    ours = cloud_from_msg(message).xyz
    theirs = point_cloud2.read_points(message, field_names=["x", "y", "z"]).reshape(-1)
    np.testing.assert_array_equal(ours, np.stack([theirs[n] for n in "xyz"], axis=1))


def test_a_message_of_sensor_msgs_py_is_read():
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="not on PyPI")
    xyz = xyz_of(positions(N)).astype(np.float32)
    message = point_cloud2.create_cloud_xyz32(make_cloud_msg(positions(1)).header, xyz)
    np.testing.assert_array_equal(cloud_from_msg(message).xyz, xyz.astype(np.float64))


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_segmented_cloud_keeps_all_fields_and_adds_three(layout):
    columns = {
        **positions(N),
        "ring": np.arange(N, dtype=np.uint16),
        "time": np.linspace(0, 1, N),
        "pair": np.arange(2 * N, dtype=np.int16).reshape(N, 2),
    }
    source = make_cloud_msg(columns, **layout)
    labels = np.arange(N) % 3
    out = segmented_msg(source, segmentation(labels), cloud_from_msg(source))
    assert out.header == source.header
    assert (out.height, out.width) == (source.height, source.width)
    assert out.row_step == out.width * out.point_step
    assert len(out.data) == out.height * out.row_step
    assert not out.is_bigendian
    for name, values in columns.items():
        np.testing.assert_array_equal(column(out, name), values)
    np.testing.assert_array_equal(column(out, "instance"), labels)
    np.testing.assert_array_equal(column(out, "probability"), segmentation(labels).probabilities)
    assert all(f.offset % 4 == 0 for f in out.fields[-3:])
    assert [f.name for f in out.fields[-3:]] == ["instance", "probability", "rgb"]


def test_segmented_cloud_marks_points_that_are_not_finite():
    columns = positions(N)
    columns["y"][5] = np.nan
    source = make_cloud_msg(columns, height=4)
    out = segmented_msg(source, segmentation(np.zeros(N)), cloud_from_msg(source))
    ids = column(out, "instance")
    assert ids[5] == UNLABELED == InstanceArray.UNLABELED
    assert (np.delete(ids, 5) == 0).all()
    assert not out.is_dense
    source.is_dense = True  # a driver that lies
    assert not segmented_msg(source, segmentation(np.zeros(N)), cloud_from_msg(source)).is_dense


def test_objects_are_tinted_and_the_rest_keeps_its_color():
    cloud = PointCloud(xyz_of(positions(N)), colors())
    source = msg_from_cloud(cloud)
    labels = np.repeat([0, 1, 2], N // 3)
    out = segmented_msg(source, segmentation(labels), cloud)
    seen = column(out, "rgb")
    np.testing.assert_array_equal(seen[labels == 0], packed(colors())[labels == 0])
    for number in (1, 2):
        shown = np.stack([(seen >> shift) & 255 for shift in (16, 8, 0)], 1)[labels == number]
        pure = np.array(instance_color(number), float)
        tone = shown / pure
        assert tone.min() >= 0.55
        assert tone.max() <= 1.0
    assert instance_color(1) != instance_color(2)


def test_a_field_of_the_source_gives_way_to_the_result():
    cloud = PointCloud(xyz_of(positions(N)), colors())
    columns = {**positions(N), "rgb": packed(colors()), "label": np.arange(N, dtype=np.uint16)}
    out = segmented_msg(make_cloud_msg(columns), segmentation(np.ones(N)), cloud, field="label")
    names = [field.name for field in out.fields]
    assert names == ["x", "y", "z", "input_rgb", "input_label", "label", "probability", "rgb"]
    np.testing.assert_array_equal(column(out, "input_rgb"), packed(colors()))
    np.testing.assert_array_equal(column(out, "input_label"), np.arange(N))
    assert (column(out, "label") == 1).all()


def test_a_segmented_cloud_can_be_segmented_again():
    cloud = PointCloud(xyz_of(positions(N)), colors())
    once = segmented_msg(msg_from_cloud(cloud), segmentation(np.ones(N)), cloud)
    twice = segmented_msg(once, segmentation(np.full(N, 2)), cloud_from_msg(once))
    names = [field.name for field in twice.fields]
    assert len(set(names)) == len(names)
    assert (column(twice, "instance") == 2).all()
    assert (column(twice, "input_instance") == 1).all()


@pytest.mark.parametrize("big_endian", [False, True])
def test_fields_of_unknown_type_stay_where_their_bytes_mean_the_same(big_endian):
    source = make_cloud_msg({**positions(N), "odd": np.arange(N, dtype=np.uint32)},
                            big_endian=big_endian)  # fmt: skip
    source.fields[3].datatype = 77
    cloud = cloud_from_msg(source)
    names = [f.name for f in segmented_msg(source, segmentation(np.ones(N)), cloud).fields]
    assert ("odd" in names) is not big_endian


@pytest.mark.parametrize("field", ["", "x", "rgb", "probability"])
def test_the_field_of_ids_cannot_take_a_needed_name(field):
    source = make_cloud_msg(positions(N))
    with pytest.raises(ConfigError, match="cannot be called"):
        segmented_msg(source, segmentation(np.ones(N)), cloud_from_msg(source), field)


def test_the_segmentation_of_another_cloud_is_refused():
    source = make_cloud_msg(positions(N))
    with pytest.raises(CloudError, match="belong together"):
        segmented_msg(source, segmentation(np.ones(N - 1)), cloud_from_msg(source))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_subset_keeps_order_and_fields(layout):
    columns = {**positions(N), "ring": np.arange(N, dtype=np.uint16)}
    source = make_cloud_msg(columns, **layout)
    mask = np.random.default_rng(1).random(N) < 0.4
    out = subset_msg(source, mask)
    assert (out.height, out.width) == (1, int(mask.sum()))
    assert len(out.data) == out.row_step == out.width * out.point_step
    assert out.header == source.header
    for name, values in columns.items():
        np.testing.assert_array_equal(column(out, name), values[mask])


def test_an_empty_subset_is_a_cloud_of_no_points():
    out = subset_msg(make_cloud_msg(positions(N)), np.zeros(N, bool))
    assert (out.height, out.width, len(out.data)) == (1, 0, 0)
    assert [field.name for field in out.fields] == ["x", "y", "z"]
    assert structured_points(deserialize_message(serialize_message(out), PointCloud2)).size == 0


def test_a_subset_needs_one_choice_per_point():
    with pytest.raises(CloudError, match=r"\(24,\)"):
        subset_msg(make_cloud_msg(positions(N)), np.zeros(N - 1, bool))


def test_what_goes_out_survives_the_wire_and_is_cheap_to_send():
    source = make_cloud_msg({**positions(N), "rgb": packed(colors())}, height=4, row_tail=8)
    out = segmented_msg(source, segmentation(np.arange(N)), cloud_from_msg(source))
    assert type(out.data) is array  # any other type is checked byte by byte
    back = deserialize_message(serialize_message(out), PointCloud2)
    assert back == out
    np.testing.assert_array_equal(column(back, "instance"), np.arange(N))
