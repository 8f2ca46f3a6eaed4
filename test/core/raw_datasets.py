"""Writes small data sets in exactly the published formats."""

import json
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from clickseg3d_core.data.scene import Scene

SEQUENCE = "2013_05_28_drive_{}_sync"
TABLE_HEADER = "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class"
TABLE_ROWS = (
    "1\twall\twall\t8277\t1\t12\twall\twall",
    "3\tfloor\tfloor\t1553\t2\t5\tfloor\tfloor",
    "5\toffice chair\tchair\t595\t5\t4\tchair\tchair",
    '30\tpicture of "mom"\tpicture\t7\t11\t7\tpicture\tpicture',
    "1357\tdisplay case\tdisplay case\t4\t40\t7\tcabinet\totherprop",
    "82\tunknown thing\tunknown\t1\t0\t0\tvoid\tvoid",
)


def cluster(seed: int, points: int, middle=(0.0, 0.0, 0.0), size=0.4) -> np.ndarray:
    """(points, 3) float64 in a cube."""
    return np.random.default_rng(seed).uniform(-size / 2, size / 2, (points, 3)) + middle


def write_ply(path: Path, columns: dict[str, tuple[str, np.ndarray]], triangles: int = 0) -> None:
    """A binary PLY file with a type and values for each vertex property."""
    length = len(next(iter(columns.values()))[1])
    rows = np.zeros(length, dtype=[(name, kind) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        rows[name] = values
    elements = [PlyElement.describe(rows, "vertex")]
    if triangles:
        faces = np.zeros(triangles, dtype=[("vertex_indices", "i4", (3,))])
        faces["vertex_indices"] = np.arange(3)
        elements.append(PlyElement.describe(faces, "face", len_types={"vertex_indices": "u1"}))
    path.parent.mkdir(parents=True, exist_ok=True)
    PlyData(elements, byte_order="<").write(str(path))


def write_label_table(path: Path, rows=TABLE_ROWS) -> None:
    path.write_text("\n".join([TABLE_HEADER, *rows]) + "\n", encoding="utf-8")


def write_scannet(
    root: Path,
    name: str = "scene0000_00",
    labels=("floor", "office chair", "wall"),
    points: int = 40,
    *,
    groups=None,
    aggregation: str = ".aggregation.json",
    segments_file: str | None = None,
) -> np.ndarray:
    """A scene of one cluster per label, each of two segments, and 10 unlabelled vertices.

    Returns:
        (N,) objectId + 1 of each vertex, 0 = none.
    """
    folder = root / "scans" / name
    folder.mkdir(parents=True, exist_ok=True)
    seed = sum(name.encode())
    parts = [cluster(seed + i, points, (i * 0.7, 0.0, 0.0)) for i in range(len(labels))]
    xyz = np.concatenate([*parts, cluster(seed + 99, 10, (0.0, 3.0, 0.0))])
    rgb = np.random.default_rng(seed).integers(0, 256, (len(xyz), 3))
    columns = {axis: ("f4", xyz[:, i]) for i, axis in enumerate("xyz")}
    columns |= {c: ("u1", rgb[:, i]) for i, c in enumerate(("red", "green", "blue"))}
    columns["alpha"] = ("u1", np.full(len(xyz), 255))
    write_ply(folder / f"{name}_vh_clean_2.ply", columns, triangles=7)
    segments = np.repeat(np.arange(2 * len(labels)) * 11 + 5, points // 2)
    segments = np.append(segments, np.full(10, 9999))
    (folder / f"{name}_vh_clean_2.0.010000.segs.json").write_text(
        json.dumps({"sceneId": name, "segIndices": segments.tolist()})
    )
    if groups is None:
        groups = [
            {"id": i, "objectId": i, "segments": [22 * i + 5, 22 * i + 16], "label": label}
            for i, label in enumerate(labels)
        ]
    content = {"sceneId": f"scannet.{name}", "appId": "Aggregator.v2", "segGroups": groups}
    if segments_file is not None:
        content["segmentsFile"] = segments_file
    (folder / f"{name}{aggregation}").write_text(json.dumps(content))
    turn = "0.0 -1.0 0.0 1.5 1.0 0.0 0.0 -2.0 0.0 0.0 1.0 0.25 0.0 0.0 0.0 1.0"
    (folder / f"{name}.txt").write_text(f"appVersionId = 1\naxisAlignment = {turn}\nx = 1\n")
    table = root / "scannetv2-labels.combined.tsv"
    if not table.exists():
        write_label_table(table)
    return np.append(np.repeat(np.arange(len(labels)) + 1, points), np.zeros(10, int))


def write_s3dis(
    root: Path, area: int = 5, room: str = "office_1", objects=("chair_1", "floor_1"), points=30
) -> Path:
    """A room of one file per object; the clusters stand 2 m apart."""
    folder = root / f"Area_{area}" / room / "Annotations"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, name in enumerate(objects):
        xyz = cluster(number + area, points, (number * 2.0, 0.0, 0.0))
        rgb = np.random.default_rng(number).integers(0, 256, (points, 3))
        lines = [
            f"{x:.3f} {y:.3f} {z:.3f} {r} {g} {b}"
            for (x, y, z), (r, g, b) in zip(xyz, rgb, strict=True)
        ]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
        rows += lines
    (folder.parent / f"{room}.txt").write_text("\n".join(rows) + "\n")
    return folder.parent


def write_window(
    root: Path,
    sequence: str = "0000",
    frames: str = "0000000002_0000000385",
    instances=(26001, 26002, 17003, 11005, 7000),
    *,
    middle=(100.0, 200.0),
    moving=(26900,),
    points: int = 150,
) -> Path:
    """A window whose objects stand 3 m apart in a row; `moving` goes to dynamic/."""
    base = root / "data_3d_semantics" / "train" / SEQUENCE.format(sequence)
    for kind, ids in (("static", instances), ("dynamic", moving)):
        instance = np.repeat(np.array(ids, dtype=int), points)
        offset = 0.0 if kind == "static" else 1.5
        xyz = np.concatenate(
            [
                cluster(i, points, (middle[0] + 3.0 * i + offset, middle[1], 115.0), 0.8)
                for i in range(len(ids))
            ]
            or [np.zeros((0, 3))]
        )
        rgb = np.random.default_rng(3).integers(0, 256, (len(xyz), 3))
        columns = {axis: ("f4", xyz[:, i]) for i, axis in enumerate("xyz")}
        columns |= {c: ("u1", rgb[:, i]) for i, c in enumerate(("red", "green", "blue"))}
        columns["semantic"] = ("i4", instance // 1000)
        columns["instance"] = ("i4", instance)
        columns["visible"] = ("u1", np.ones(len(xyz)))
        if kind == "dynamic":
            columns["timestamp"] = ("i4", np.arange(len(xyz)))
        columns["confidence"] = ("f4", np.ones(len(xyz)))
        write_ply(base / kind / f"{frames}.ply", columns)
    return base / "static" / f"{frames}.ply"


def write_sweep(path: Path, xyz: np.ndarray) -> None:
    """A Velodyne sweep: float32 x, y, z, intensity."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.column_stack([xyz, np.full(len(xyz), 0.5)]).astype("<f4")
    path.write_bytes(rows.tobytes())


def write_kitti360_sweep(
    root: Path, labels: Path, ids: np.ndarray, dtype: str = "<i8", sequence: str = "0000"
) -> Path:
    """Sweep 250 of a sequence and its label file."""
    name, frame = SEQUENCE.format(sequence), "0000000250"
    write_sweep(
        root / "data_3d_raw" / name / "velodyne_points" / "data" / f"{frame}.bin",
        cluster(1, len(ids), size=20.0),
    )
    path = labels / name / "labels" / f"{frame}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.asarray(ids).astype(dtype).tobytes())
    return path


def write_semantic_kitti(
    root: Path, classes: np.ndarray, numbers: np.ndarray, sequence="08", frame="000123"
) -> Path:
    """One sweep and its labels, instance << 16 | class."""
    base = root / "dataset" / "sequences" / sequence
    write_sweep(base / "velodyne" / f"{frame}.bin", cluster(2, len(classes), size=20.0))
    path = base / "labels" / f"{frame}.label"
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = np.asarray(numbers, dtype=np.uint32) << 16 | np.asarray(classes, dtype=np.uint32)
    path.write_bytes(raw.astype("<u4").tobytes())
    return path


def small_scene(**changes) -> Scene:
    values = {
        "xyz": np.arange(18, dtype=np.float32).reshape(6, 3),
        "rgb": np.full((6, 3), 7, np.uint8),
        "instance": np.array([0, 4, 4, 2, 2, 2], np.int32),
        "instance_class": np.array([-1, -1, 1, -1, 0], np.int16),
        "class_names": ("cup", "wall"),
        "semantic": np.array([-1, 0, 0, 1, 1, 1], np.int16),
    }
    return Scene(**{**values, **changes})


def classes_of(scene: Scene) -> dict[int, str]:
    return {int(i): scene.class_name(int(i)) for i in np.unique(scene.instance) if i}
