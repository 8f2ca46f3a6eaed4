"""Opens a data set by name."""

from __future__ import annotations

from pathlib import Path

from clickseg3d_core.datasets.agile3d import agile3d_scenes
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.datasets.kitti360 import kitti360_sweeps, kitti360_windows
from clickseg3d_core.datasets.s3dis import s3dis_scenes
from clickseg3d_core.datasets.scannet import scannet_scenes
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.datasets.semantic_kitti import semantic_kitti_scenes
from clickseg3d_core.errors import ConfigError, FileFormatError

DATASETS = (
    "scannet",
    "s3dis",
    "kitti360",
    "kitti360-sweeps",
    "semantickitti",
    "agile3d",
    "folder",
)


def open_dataset(
    dataset: str, source: Path, *, labels: Path | None = None, align: bool = False
) -> SceneSet:
    """The scenes of a data set on disk.

    Args:
        dataset: One of `DATASETS`.
        source: Its folder, see the reader of each.
        labels: scannet: the label table, default beside the scans; kitti360-sweeps: the folder of
            sweep labels.
        align: scannet: rotate by axisAlignment.

    Raises:
        ConfigError: if the data set is unknown or an option belongs to another one.
        FileFormatError: if the folder holds no such data.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")
    if align and dataset != "scannet":
        raise ConfigError(f"only scannet has an axis alignment, got dataset {dataset!r}")
    if labels is not None and dataset not in ("scannet", "kitti360-sweeps"):
        raise ConfigError(f"{dataset} takes no labels; scannet and kitti360-sweeps do")
    if not source.is_dir():
        raise FileFormatError(f"{source} is no folder; give the folder of {dataset}")
    if dataset == "scannet":
        return scannet_scenes(source, labels, align)
    if dataset == "kitti360-sweeps":
        if labels is None:
            raise ConfigError("kitti360-sweeps needs the folder of sweep labels")
        return kitti360_sweeps(source, labels)
    readers = {
        "s3dis": s3dis_scenes,
        "kitti360": kitti360_windows,
        "semantickitti": semantic_kitti_scenes,
        "agile3d": agile3d_scenes,
        "folder": folder_scenes,
    }
    return readers[dataset](source)
