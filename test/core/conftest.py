"""Shared by all tests of the core: one thread, a small cloud, a small segmentation."""

import importlib.util
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from clickseg3d_core.config import from_dict, load_yaml
from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.network import ClickNet, ClickSegmentationNet, ModelConfig
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.types import Instance, OrientedBox, PointCloud, Segmentation

torch.set_num_threads(1)


@pytest.fixture
def two_boxes() -> tuple[PointCloud, np.ndarray]:
    """A floor with a red and a blue box on it, and the true ids (N,): 0 floor, 1 red, 2 blue."""
    rng = np.random.default_rng(7)
    floor = rng.uniform((-0.5, -0.5, 0.0), (0.5, 0.5, 0.0), (3000, 3))
    below = (np.abs(np.abs(floor[:, 0]) - 0.2) < 0.08) & (np.abs(floor[:, 1]) < 0.08)
    floor[below, 1] += 0.25  # no sensor sees the floor below a box, nor the bottom of a box
    parts, ids, colors = [floor], [np.zeros(3000, int)], [np.full((3000, 3), 200)]
    for number, (x, color) in enumerate(((-0.2, (200, 30, 30)), (0.2, (30, 30, 200))), start=1):
        box = rng.uniform(-0.08, 0.08, (1500, 3))
        face = rng.integers(0, 3, 1500)
        box[np.arange(1500), face] = np.where(rng.random(1500) < 0.5, -0.08, 0.08)
        box[face == 2, 2] = 0.08
        parts.append(box + (x, 0.0, 0.08))
        ids.append(np.full(1500, number))
        colors.append(np.tile(color, (1500, 1)))
    cloud = PointCloud(np.concatenate(parts), np.concatenate(colors).astype(np.uint8))
    return cloud, np.concatenate(ids).astype(np.int32)


def make_instance(object_id: int, xyz: np.ndarray, class_name: str = "box") -> Instance:
    return Instance(
        id=object_id,
        class_name=class_name,
        class_score=0.75,
        mask_score=0.5,
        point_count=len(xyz),
        centroid=xyz.mean(axis=0) if len(xyz) else np.zeros(3),
        box=OrientedBox(center=np.zeros(3), extent=np.ones(3), rotation=np.eye(3)),
    )


def make_segmentation(
    cloud: PointCloud, labels: np.ndarray, class_name: str = "box"
) -> Segmentation:
    ids = [int(i) for i in np.unique(labels) if i]
    return Segmentation(
        labels=labels.astype(np.int32),
        probabilities=np.linspace(0.1, 0.9, len(labels)).astype(np.float32),
        instances=tuple(make_instance(i, cloud.xyz[labels == i], class_name) for i in ids),
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    path = Path(__file__).parents[2] / "config" / "model" / "tiny.yaml"
    return from_dict(ModelConfig, load_yaml(path))


@pytest.fixture(scope="session")
def tiny_net(tiny_config: ModelConfig) -> ClickSegmentationNet:
    """Untrained: cuts objects out by surface path cost alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ClickSegmentationNet(tiny_config).eval()


@pytest.fixture
def tiny_segmenter(tiny_net: ClickSegmentationNet) -> ClickSegmenter:
    return ClickSegmenter(tiny_net, {}, torch.device("cpu"))


@pytest.fixture(scope="session")
def shipped() -> ClickSegmenter:
    """The weights that come with the package."""
    return ClickSegmenter.load(device="cpu")


@pytest.fixture(scope="session")
def config_folder() -> Path:
    return Path(__file__).parents[2] / "config"


def drawn(config: ModelConfig, seed: int = 0) -> ClickNet:
    """A network whose every weight matters, and that answers like no other."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build_net(config).eval()
        for name, parameter in net.named_parameters():
            if "norm" not in name:
                torch.nn.init.normal_(parameter, std=0.1)
    return net


def boxes_scene(two_boxes: tuple[PointCloud, np.ndarray]) -> Scene:
    cloud, ids = two_boxes
    return Scene(
        xyz=cloud.xyz.astype(np.float32),
        rgb=cloud.rgb,
        instance=(ids + 1).astype(np.int32),
        instance_class=np.array([-1, 1, 19, 19], np.int16),
    )


@pytest.fixture
def run_config(tmp_path, two_boxes, config_folder):
    """A training config on one scene of two boxes, and its file."""
    (tmp_path / "scenes").mkdir()
    save_scene(boxes_scene(two_boxes), tmp_path / "scenes" / "a.npz")
    values = {
        "model": str(config_folder / "model" / "tiny.yaml"),
        "scenes": str(tmp_path / "scenes"),
        "output": str(tmp_path / "run"),
        "steps": 6,
        "max_voxels": 1500,
        "voxel_range": [1.0, 1.5],
        "accelerator": "cpu",
        "workers": 0,
        "validate_every": 0,
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def benchmark(name: str) -> ModuleType:
    """A command of `benchmarks/` as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
