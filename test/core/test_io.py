import struct
import sys
from pathlib import Path

import laspy
import numpy as np
import plyfile
import pytest
from conftest import make_segmentation
from pypcd4.pypcd4 import Encoding
from pypcd4.pypcd4 import PointCloud as PcdCloud

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import WRITABLE, CloudFile, check_output, read_cloud, write_cloud
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.io.record import with_result
from clickseg3d_core.types import PointCloud

N = 50


@pytest.fixture
def cloud() -> PointCloud:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-3, 3, (N, 3)).astype(np.float32).astype(np.float64)
    return PointCloud(xyz, rng.integers(0, 256, (N, 3)).astype(np.uint8))


@pytest.fixture
def labels() -> np.ndarray:
    return np.repeat([0, 1, 4], [20, 20, 10]).astype(np.int32)


def result_of(cloud: PointCloud, labels: np.ndarray):
    return make_segmentation(cloud, labels, "chair")


def assert_result(fields, labels):
    np.testing.assert_array_equal(fields["instance"], labels)
    expected = np.where(labels > 0, CLASS_IDS["chair"], -1)
    np.testing.assert_array_equal(fields["class"], expected)
    expected = np.linspace(0.1, 0.9, N).astype(np.float32)
    np.testing.assert_allclose(fields["score"], expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".npz", ".las", ".laz"])
def test_written_cloud_reads_back_with_result(suffix, cloud, labels, tmp_path):
    source = CloudFile(
        cloud=cloud, fields={"intensity": np.arange(N, dtype=np.float32)}, path=Path("none.ply")
    )
    out = tmp_path / f"out{suffix}"
    write_cloud(out, source, result_of(cloud, labels))
    back = read_cloud(out)
    np.testing.assert_allclose(back.cloud.xyz, cloud.xyz, atol=6e-5)
    np.testing.assert_array_equal(back.cloud.rgb, cloud.rgb)
    np.testing.assert_array_equal(back.fields["intensity"], np.arange(N))
    assert_result(back.fields, labels)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".npz", ".npy"])
def test_large_coordinates_keep_their_precision(suffix, labels, tmp_path):
    xyz = np.random.default_rng(1).uniform(0, 10, (N, 3)) + (500_000.123456, 5_400_000.0, 300.0)
    cloud = PointCloud(xyz)
    out = tmp_path / f"out{suffix}"
    source = CloudFile(cloud=cloud, path=Path("none.las"))
    write_cloud(out, source, result_of(cloud, labels))
    np.testing.assert_allclose(read_cloud(out).cloud.xyz, xyz, rtol=0, atol=1e-8)


@pytest.mark.parametrize("text", [True, False])
def test_ply_keeps_fields_comments_faces_and_encoding(text, labels, tmp_path):
    kinds = {**dict.fromkeys("xyz", "f4"), "quality": "f8", "score": "i2"}
    kinds |= dict.fromkeys(("red", "green", "blue"), "u1")
    rows = np.zeros(N, dtype=list(kinds.items()))
    rows["x"], rows["quality"], rows["score"] = np.arange(N), np.arange(N) / 7, np.arange(N)
    rows["green"] = 9
    faces = np.array([([0, 1, 2], 5)], dtype=[("vertex_indices", "i4", (3,)), ("tag", "u1")])
    elements = [plyfile.PlyElement.describe(rows, "vertex", comments=["about vertices"]),
                plyfile.PlyElement.describe(faces, "face")]  # fmt: skip
    source = tmp_path / "in.ply"
    plyfile.PlyData(elements, text=text, comments=["made by hand"], obj_info=["x 1"]).write(
        str(source)
    )
    file = read_cloud(source)
    assert file.cloud.rgb[0].tolist() == [0, 9, 0]
    out = tmp_path / "out.ply"
    write_cloud(out, file, result_of(file.cloud, labels))
    ply = plyfile.PlyData.read(str(out))
    assert ply.text == text
    assert ply.comments == ["made by hand"]
    assert ply.obj_info == ["x 1"]
    assert ply["vertex"].comments == ["about vertices"]
    assert [e.name for e in ply.elements] == ["vertex", "face"]
    assert ply["face"]["vertex_indices"][0].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(ply["vertex"]["quality"], np.arange(N) / 7)
    np.testing.assert_array_equal(ply["vertex"]["input_score"], np.arange(N))
    assert ply["vertex"]["x"].dtype == np.float32
    assert_result({n: ply["vertex"][n] for n in ("instance", "class", "score")}, labels)


def test_ply_float_colors_become_uint8(tmp_path):
    rows = np.zeros(2, dtype=[(n, "f4") for n in ("x", "y", "z", "red", "green", "blue")])
    rows["red"] = (0.5, 1.0)
    path = tmp_path / "in.ply"
    plyfile.PlyData([plyfile.PlyElement.describe(rows, "vertex")]).write(str(path))
    assert read_cloud(path).cloud.rgb.tolist() == [[128, 0, 0], [255, 0, 0]]


def test_ply_vertex_lists_survive(labels, tmp_path):
    rows = np.zeros(N, dtype=[("x", "f4"), ("y", "f4"), ("z", "f4"), ("near", "O")])
    for i in range(N):
        rows["near"][i] = np.arange(i % 3, dtype=np.int16)
    element = plyfile.PlyElement.describe(
        rows, "vertex", val_types={"near": "i2"}, len_types={"near": "u1"}
    )
    plyfile.PlyData([element]).write(str(tmp_path / "in.ply"))
    file = read_cloud(tmp_path / "in.ply")
    write_cloud(tmp_path / "out.ply", file, result_of(file.cloud, labels))
    back = plyfile.PlyData.read(str(tmp_path / "out.ply"))["vertex"]
    assert back["near"][5].tolist() == [0, 1]
    assert back["instance"][25] == 1


@pytest.mark.parametrize("encoding", [Encoding.ASCII, Encoding.BINARY, Encoding.BINARY_COMPRESSED])
def test_pcd_keeps_fields_grid_viewpoint_and_encoding(encoding, cloud, labels, tmp_path):
    packed = PcdCloud.encode_rgb(cloud.rgb)
    ring = np.arange(N, dtype=np.uint16)
    columns = [*cloud.xyz.T.astype(np.float32), packed, ring, *np.ones((2, N), np.float32)]
    types = [np.float32] * 4 + [np.uint16] + [np.float32]
    metadata_source = PcdCloud.from_points(
        columns[:6], ("x", "y", "z", "rgb", "ring", "pair"), types
    )
    metadata = metadata_source.metadata.derive(
        count=(1, 1, 1, 1, 1, 2), width=10, height=5, viewpoint=(1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0)
    )
    rows = np.rec.fromarrays(columns, dtype=metadata.build_dtype())
    source = tmp_path / "in.pcd"
    if encoding == Encoding.ASCII:
        with source.open("wb") as stream:
            stream.write(metadata.compose_header(data=encoding).encode())
            np.savetxt(stream, rows, ["%.9g"] * 4 + ["%d"] + ["%.9g"] * 2)
    else:
        PcdCloud(metadata, rows).save(source, encoding)
    file = read_cloud(source)
    np.testing.assert_array_equal(file.cloud.rgb, cloud.rgb)
    np.testing.assert_array_equal(file.fields["ring"], ring)
    out = tmp_path / "out.pcd"
    write_cloud(out, file, result_of(file.cloud, labels))
    back = PcdCloud.from_path(out)
    assert (back.metadata.width, back.metadata.height) == (10, 5)
    assert back.metadata.viewpoint[:3] == (1.0, 2.0, 3.0)
    assert back.metadata.data == encoding
    assert dict(zip(back.metadata.fields, back.metadata.count, strict=True))["pair"] == 2
    again = read_cloud(out)
    np.testing.assert_array_equal(again.cloud.rgb, cloud.rgb)
    np.testing.assert_array_equal(again.cloud.xyz, file.cloud.xyz)
    assert_result(again.fields, labels)


def test_las_keeps_dimensions_scales_and_offsets(labels, tmp_path):
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = np.array([0.001] * 3), np.array([4e5, 5e6, 100.0])
    header.add_extra_dim(laspy.ExtraBytesParams(name="score", type=np.uint8))
    las = laspy.LasData(header)
    las.xyz = np.arange(3 * N).reshape(N, 3) / 1000 + (4e5, 5e6, 100.0)
    las.red, las.green, las.blue = np.full((3, N), 65535)
    las.intensity, las.gps_time, las["score"] = np.arange(N), np.arange(N) / 3, np.full(N, 3)
    source = tmp_path / "in.las"
    las.write(str(source))
    file = read_cloud(source)
    assert file.cloud.xyz.dtype == np.float64
    np.testing.assert_allclose(file.cloud.xyz[1], (400000.003, 5000000.004, 100.005), atol=1e-9)
    assert file.cloud.rgb.min() == 255
    out = tmp_path / "out.laz"
    write_cloud(out, file, result_of(file.cloud, labels))
    back = laspy.read(str(out))
    assert back.header.scales.tolist() == [0.001] * 3
    assert back.header.offsets.tolist() == [4e5, 5e6, 100.0]
    np.testing.assert_array_equal(back.X, las.X)
    np.testing.assert_array_equal(back.gps_time, np.arange(N) / 3)
    np.testing.assert_array_equal(back["input_score"], np.full(N, 3))
    assert_result({n: np.asarray(back[n]) for n in ("instance", "class", "score")}, labels)
    assert "instance" not in list(file.native.point_format.extra_dimension_names)


def test_las_refuses_non_finite_points_before_writing(labels, tmp_path):
    xyz = np.zeros((N, 3))
    xyz[3] = np.nan
    file = CloudFile(cloud=PointCloud(xyz), path=Path("none.ply"))
    with pytest.raises(FileFormatError, match="1 points that are not finite"):
        check_output(tmp_path / "out.laz", file)


def test_kitti_sweep_round_trip_with_label_file(labels, tmp_path):
    rows = np.random.default_rng(0).random((N, 4)).astype("<f4")
    source = tmp_path / "000000.bin"
    source.write_bytes(rows.tobytes())
    file = read_cloud(source)
    np.testing.assert_array_equal(file.fields["intensity"], rows[:, 3])
    write_cloud(tmp_path / "out.bin", file, result_of(file.cloud, labels))
    assert (tmp_path / "out.bin").read_bytes() == rows.tobytes()
    packed = np.frombuffer((tmp_path / "out.label").read_bytes(), "<u4")
    np.testing.assert_array_equal(packed >> 16, labels)
    expected = np.where(labels > 0, CLASS_IDS["chair"] + 1, 0)
    np.testing.assert_array_equal(packed & 0xFFFF, expected)


def test_kitti_does_not_overwrite_the_labels_of_another_sweep(cloud, tmp_path):
    (tmp_path / "out.label").write_bytes(b"truth")
    with pytest.raises(FileFormatError, match="would be overwritten"):
        check_output(tmp_path / "out.bin", CloudFile(cloud=cloud, path=Path("none.ply")))


def test_kitti_refuses_ids_that_do_not_fit(cloud, labels, tmp_path):
    labels[:] = 70_000
    with pytest.raises(FileFormatError, match="65535"):
        write_cloud(
            tmp_path / "o.bin",
            CloudFile(cloud=cloud, path=Path("none.ply")),
            result_of(cloud, labels),
        )
    assert list(tmp_path.iterdir()) == []


def test_npz_keeps_other_arrays_and_their_names(labels, tmp_path):
    source = tmp_path / "in.npz"
    np.savez(source, points=np.ones((N, 3)), colors=np.full((N, 3), 0.5), pose=np.eye(4),
             instance=np.arange(N), note=np.array("hello"))  # fmt: skip
    file = read_cloud(source)
    assert set(file.fields) == {"instance"}
    assert file.cloud.rgb[0].tolist() == [128] * 3
    write_cloud(tmp_path / "out.npz", file, result_of(file.cloud, labels))
    with np.load(tmp_path / "out.npz") as back:
        assert back["points"].shape == (N, 3)
        np.testing.assert_array_equal(back["pose"], np.eye(4))
        assert str(back["note"]) == "hello"
        np.testing.assert_array_equal(back["input_instance"], np.arange(N))
        assert_result(back, labels)


def test_npy_columns_are_read_as_color_only_if_they_can_be(labels, tmp_path):
    table = np.hstack([np.ones((N, 3)), np.full((N, 3), 128.0), np.full((N, 1), 5.0)])
    np.save(tmp_path / "a.npy", table)
    file = read_cloud(tmp_path / "a.npy")
    assert file.cloud.rgb[0].tolist() == [128] * 3
    assert list(file.fields) == ["column_6"]
    write_cloud(tmp_path / "b.npy", file, result_of(file.cloud, labels))
    back = np.load(tmp_path / "b.npy")
    np.testing.assert_array_equal(back[:, :7], table)
    np.testing.assert_array_equal(back[:, 7], labels)
    table[:, 4] = -1
    np.save(tmp_path / "a.npy", table)
    assert read_cloud(tmp_path / "a.npy").cloud.rgb is None


@pytest.mark.parametrize("suffix", WRITABLE)
def test_truncated_file_raises_file_format_error(suffix, cloud, labels, tmp_path):
    source = CloudFile(cloud=cloud, path=Path("none.x"))
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    write_cloud(whole, source, result_of(cloud, labels))
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3 + 1])
    with pytest.raises(FileFormatError, match="cut"):
        read_cloud(cut)


@pytest.mark.parametrize("suffix", [s for s in WRITABLE if s != ".bin"])
@pytest.mark.parametrize("content", [b"\x00\xff garbage \x93" * 20, b"ply\n", b"hello\n"])
def test_garbage_raises_one_clear_line(suffix, content, tmp_path):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"bad{suffix}"):
        read_cloud(path)


@pytest.mark.parametrize("suffix", WRITABLE)
def test_empty_and_missing_files_say_so(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(FileFormatError, match="does not exist"):
        read_cloud(path)
    path.touch()
    with pytest.raises(FileFormatError, match="is empty"):
        read_cloud(path)


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".npz", ".npy", ".las"])
def test_flipped_bytes_are_read_or_refused(suffix, cloud, labels, tmp_path):
    path = tmp_path / f"out{suffix}"
    write_cloud(path, CloudFile(cloud=cloud, path=Path("none")), result_of(cloud, labels))
    whole, rng, refused = path.read_bytes(), np.random.default_rng(1), 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(min(len(whole), 800))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_cloud(path)
        except FileFormatError:
            refused += 1
    assert refused > 0


HEADER = b"ply\nformat ascii 1.0\nelement vertex %d\nproperty %s x\n"
HEADER += b"property float y\nproperty float z\nend_header\n1 2 3\n"


@pytest.mark.parametrize(
    ("count", "kind"), [(10**12, b"float"), (1, b"list uchar float"), (1, b"uchar")]
)
def test_ply_of_impossible_size_or_type_is_refused(count, kind, tmp_path):
    path = tmp_path / "bad.ply"
    path.write_bytes((HEADER % (count, kind)).replace(b"\n1 2", b"\n1 300 2"))
    with pytest.raises(FileFormatError, match=r"bad\.ply"):
        read_cloud(path)


def test_names_that_a_format_cannot_hold_are_changed_not_fatal(cloud, labels, tmp_path):
    numbers = np.arange(N, dtype=np.int32)
    names = {"höhe m": numbers, "file": numbers, "allow_pickle": numbers}
    source = CloudFile(cloud=cloud, fields=names, path=Path("none"))
    for suffix, kept in ((".ply", "h?he_m"), (".npz", "höhe m")):
        write_cloud(tmp_path / f"out{suffix}", source, result_of(cloud, labels))
        fields = read_cloud(tmp_path / f"out{suffix}").fields
        for name in (kept, "file", "allow_pickle"):
            np.testing.assert_array_equal(fields[name], numbers)


def test_kitti_refuses_coordinates_that_float32_would_move(cloud, tmp_path):
    utm = PointCloud(np.round(cloud.xyz, 3) + (500_000.0, 5_400_000.0, 0.0))
    with pytest.raises(FileFormatError, match="float32"):
        check_output(tmp_path / "out.bin", CloudFile(cloud=utm, path=Path("none")))


def test_unknown_ending_lists_the_known_ones(cloud, tmp_path):
    with pytest.raises(FileFormatError, match=r"cannot read \.foo; known endings are \.ply"):
        read_cloud(tmp_path / "a.foo")
    with pytest.raises(FileFormatError, match=r"cannot write \.foo"):
        check_output(tmp_path / "a.foo", CloudFile(cloud=cloud, path=Path("x.ply")))


def test_output_must_not_be_the_input_or_in_a_missing_folder(cloud, labels, tmp_path):
    path = tmp_path / "a.ply"
    write_cloud(path, CloudFile(cloud=cloud, path=Path("x.ply")), result_of(cloud, labels))
    file = read_cloud(path)
    with pytest.raises(FileFormatError, match="is the input"):
        check_output(path, file)
    with pytest.raises(FileFormatError, match="is no folder"):
        check_output(tmp_path / "none" / "a.ply", file)


def test_failed_write_leaves_the_old_file_and_nothing_else(cloud, labels, tmp_path, monkeypatch):
    out = tmp_path / "out.ply"
    out.write_bytes(b"old")

    def broken(self, stream):
        Path(stream).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plyfile.PlyData, "write", broken)
    with pytest.raises(FileFormatError, match="No space left"):
        write_cloud(out, CloudFile(cloud=cloud, path=Path("x.pcd")), result_of(cloud, labels))
    assert out.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.ply"]


def test_result_of_another_cloud_is_refused(cloud, labels, tmp_path):
    other = PointCloud(np.zeros((3, 3)))
    with pytest.raises(FileFormatError, match="50 points and the cloud 3"):
        write_cloud(
            tmp_path / "a.ply", CloudFile(cloud=other, path=Path("x")), result_of(cloud, labels)
        )


def test_clashing_names_are_renamed_without_loss():
    merged = with_result(
        {"class": np.ones(2), "input_class": np.zeros(2)}, {"class": np.full(2, 7)}
    )
    assert {k: v[0] for k, v in merged.items()} == {
        "input_input_class": 1.0, "input_class": 0.0, "class": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[0.0, 127.6, 300.0]]), [0, 128, 255]),
        (np.array([[0, 256, 65535]], np.uint16), [0, 1, 255]),
        (np.array([[1, 2, 255]], np.uint16), [1, 2, 255]),
        (np.array([[np.nan, 0.2, 1.0]]), [0, 51, 255]),
    ],
)
def test_color_scales(given, expected):
    assert to_uint8(given)[0].tolist() == expected


def test_missing_open3d_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    path = tmp_path / "mesh.obj"
    path.write_text("v 0 0 0\n")
    with pytest.raises(FileFormatError, match=r"pip install 'clickseg3d\[open3d\]'"):
        read_cloud(path)


def test_open3d_reads_text_clouds_and_samples_meshes(tmp_path):
    pytest.importorskip("open3d", reason="Open3D is optional")
    (tmp_path / "a.xyzrgb").write_text("0 0 0 1 0 0.5\n1 2 3 0 0 0\n")
    cloud = read_cloud(tmp_path / "a.xyzrgb").cloud
    assert cloud.xyz.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert cloud.rgb.tolist() == [[255, 0, 128], [0, 0, 0]]
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    points = read_cloud(tmp_path / "a.obj").cloud.xyz
    assert len(points) == 200_000
    assert (points.sum(axis=1) <= 1.0 + 1e-9).all()


def test_pcd_point_count_is_checked(tmp_path):
    header = (
        "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 3\nHEIGHT 1\n"
        "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\nDATA binary\n"
    )
    (tmp_path / "a.pcd").write_bytes(header.encode() + struct.pack("<6f", *range(6)))
    with pytest.raises(FileFormatError, match="3 points announced, 2 there"):
        read_cloud(tmp_path / "a.pcd")
