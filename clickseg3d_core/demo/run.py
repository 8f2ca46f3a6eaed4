"""One click per object on the scan that comes with the package, and how well it went."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.data.scene import UNLABELLED, Scene, load_scene
from clickseg3d_core.evaluation.single_object import iou
from clickseg3d_core.io import CloudFile, write_cloud
from clickseg3d_core.picture import draw
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import Clicks, PointCloud, Segmentation


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoObject:
    """How one object of the demo scan came out.

    Attributes:
        id: Instance id.
        true_class: Class in the scan, "" if the scan does not say.
        found_class: Class that the network names.
        points: Points of the object.
        iou: Intersection over union of its points, 0..1.
    """

    id: int
    true_class: str
    found_class: str
    points: int
    iou: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoReport:
    """What a demo run gave.

    Attributes:
        objects: One per clicked object, in order of id.
        point_count: Points N of the scan.
        voxel_size: Metres.
        voxel_count: Occupied voxels V.
        load_s: Seconds to load the weights.
        encode_s: Seconds to encode the scan.
        segment_s: Seconds to answer all clicks.
        example_click: x, y, z in metres of the click on the largest object.
        cloud_path: The segmented cloud.
        picture_path: The picture.
    """

    objects: tuple[DemoObject, ...]
    point_count: int
    voxel_size: float
    voxel_count: int
    load_s: float
    encode_s: float
    segment_s: float
    example_click: tuple[float, float, float]
    cloud_path: Path
    picture_path: Path

    @property
    def mean_iou(self) -> float:
        """Mean intersection over union of the objects, 0..1."""
        return float(np.mean([entry.iou for entry in self.objects]))


def demo_scan() -> Path:
    """The labelled scan that comes with the package."""
    return Path(str(resources.files("clickseg3d_core"))) / "demo" / "scan.npz"


def one_click_each(scene: Scene) -> Clicks:
    """A click on the innermost point of each instance, its id the object's id."""
    ids = np.unique(scene.instance[scene.instance != UNLABELLED]).astype(np.int64)
    xyz = scene.xyz.astype(np.float64)
    rows = [innermost_point(xyz, scene.instance == i) for i in ids]
    return Clicks(xyz[rows], ids)


def run_demo(output: Path, checkpoint: Path | None = None, scan: Path | None = None) -> DemoReport:
    """Segment the demo scan and write segmented.ply and picture.png.

    Args:
        output: Folder to write to, made if missing.
        checkpoint: Checkpoint folder, None for the weights that come with the package.
        scan: Another labelled scene file.

    Raises:
        FileFormatError: if the scan cannot be read or the output not be written.
        CheckpointError: if the checkpoint cannot be loaded.
    """
    source = demo_scan() if scan is None else scan
    scene = load_scene(source)
    started = time.perf_counter()
    segmenter = ClickSegmenter.load(checkpoint)
    loaded = time.perf_counter()
    cloud = PointCloud(scene.xyz.astype(np.float64), scene.rgb)
    encoding = segmenter.encode(cloud)
    encoded = time.perf_counter()
    clicks = one_click_each(scene)
    result = segmenter.segment(encoding, clicks)
    finished = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    cloud_path, picture_path = output / "segmented.ply", output / "picture.png"
    file = CloudFile(cloud=cloud, fields={"true_instance": scene.instance}, path=source)
    write_cloud(cloud_path, file, result)
    draw(cloud, clicks, result, picture_path)
    return DemoReport(
        objects=_compare(scene, result),
        point_count=len(cloud),
        voxel_size=encoding.voxel_size,
        voxel_count=encoding.voxel_count,
        load_s=loaded - started,
        encode_s=encoded - loaded,
        segment_s=finished - encoded,
        example_click=_click_on_largest(clicks, result),
        cloud_path=cloud_path,
        picture_path=picture_path,
    )


def _click_on_largest(clicks: Clicks, result: Segmentation) -> tuple[float, float, float]:
    sizes = [instance.point_count for instance in result.instances]
    x, y, z = clicks.positions[int(np.argmax(sizes))].tolist()
    return x, y, z


def _compare(scene: Scene, result: Segmentation) -> tuple[DemoObject, ...]:
    objects = []
    for instance in result.instances:
        truth = scene.instance == instance.id
        class_id = int(scene.instance_class[instance.id])
        objects.append(
            DemoObject(
                id=instance.id,
                true_class=CLASS_NAMES[class_id] if class_id >= 0 else "",
                found_class=instance.class_name,
                points=int(truth.sum()),
                iou=iou(result.labels == instance.id, truth),
            )
        )
    return tuple(objects)
