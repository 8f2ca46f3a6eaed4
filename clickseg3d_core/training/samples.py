"""From a scene to what one training step needs: a crop of voxels, and users who click on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch.utils.data import Dataset

from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.data.augment import augment
from clickseg3d_core.data.distortion import bent
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.edges import Edges, describe_edges
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.features import input_features
from clickseg3d_core.surface import describe_surface, path_costs
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.episodes import Episodes, first_clicks
from clickseg3d_core.types import PointCloud
from clickseg3d_core.upright import found_rotation, turned
from clickseg3d_core.voxels import VoxelGrid, automatic_voxel_size, floor_height, voxelize


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """One cropped, voxelized scene with simulated first clicks.

    Attributes:
        coords: (V, 3) int64.
        centers: (V, 3) float32, voxel units.
        features: (V, C_in) float32.
        graph: (V, V) sparse step costs over the surface.
        edges: The same steps, for learned costs.
        instance: (V,) int64, 0 = unlabelled.
        instance_class: (M + 1,) int64, -1 = unknown.
        episodes: First clicks.
        paths: Surface path costs (V,) float32 from each clicked voxel; empty if not wanted.
        seed: Seed of everything random that follows (corrective clicks).
    """

    coords: NDArray[np.int64]
    centers: NDArray[np.float32]
    features: NDArray[np.float32]
    graph: csr_matrix
    edges: Edges
    instance: NDArray[np.int64]
    instance_class: NDArray[np.int64]
    episodes: Episodes
    paths: dict[int, NDArray[np.float32]]
    seed: int


class SampleStream(Dataset[list[Sample]]):
    """Samples by step number: item i is batch i, whatever came before, so that a run can resume.

    Args:
        config: The run.
        inputs: Input features of the model.
        target_voxels: Aim of the automatic voxel size.
        rank: Number of this process.
        world: Number of processes.
        class_names: Vocabulary of the model; scenes of another are translated by name.
        with_paths: Whether the model reads paths.
    """

    def __init__(
        self,
        config: TrainConfig,
        inputs: Sequence[str],
        target_voxels: int,
        rank: int = 0,
        world: int = 1,
        class_names: tuple[str, ...] = CLASS_NAMES,
        with_paths: bool = True,
    ) -> None:
        self.config, self.inputs, self.target_voxels = config, inputs, target_voxels
        self.with_paths = with_paths
        self.rank, self.world, self.class_names = rank, world, class_names
        self.paths = scene_files(config.scenes)

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> list[Sample]:
        size = self.config.batch_size
        first = (step * self.world + self.rank) * size
        return [self._sample(first + i) for i in range(size)]

    def _sample(self, number: int) -> Sample:
        """Sample `number`: every scene once per round through a shuffled list."""
        turn, place = divmod(number, len(self.paths))
        order = np.random.default_rng([self.config.seed, 1, turn]).permutation(len(self.paths))
        for attempt in range(8):
            path = self.paths[order[(place + attempt) % len(self.paths)]]
            rng = np.random.default_rng([self.config.seed, 2, number, attempt])
            scene = load_scene(path).with_classes(self.class_names)
            sample = make_sample(
                scene, self.config, self.inputs, self.target_voxels, rng, self.with_paths
            )
            if sample is not None:
                return sample
        raise ConfigError(
            f"8 scenes in a row from {self.config.scenes} gave no object of 10 voxels; check their "
            "instance labels"
        )


def scene_files(folder: Path) -> list[Path]:
    """Scene files of a folder, sorted by name.

    Raises:
        ConfigError: if there is none.
    """
    paths = sorted(folder.glob("[!.]*.npz"))
    if not paths:
        raise ConfigError(f"{folder} holds no .npz scene; `clickseg3d simulate` writes some")
    return paths


def make_sample(
    scene: Scene,
    config: TrainConfig,
    inputs: Sequence[str],
    target_voxels: int,
    rng: np.random.Generator,
    with_paths: bool = True,
) -> Sample | None:
    """Augment, voxelize and crop a scene, and place first clicks.

    Returns:
        None if no instance is large enough to click.
    """
    if not (scene.instance > 0).any():
        return None
    scene = augment(_stood_up(scene, target_voxels), config.augment, rng)
    xyz = scene.xyz.astype(np.float64)
    size = config.voxel_size or automatic_voxel_size(xyz, target_voxels=target_voxels)
    size *= rng.uniform(*config.voxel_range)
    if config.augment.bend:
        xyz = bent(xyz, size, config.augment.bend, rng)
    xyz = xyz + rng.normal(0, rng.uniform(0, config.augment.jitter) * size, size=xyz.shape)
    floor = floor_height(xyz[:, 2])
    keep = _crop(xyz, scene.instance, size, config.max_voxels, rng)
    cloud = PointCloud(xyz[keep], None if scene.rgb is None else scene.rgb[keep])
    grid = voxelize(cloud, size)
    instance = _voxel_labels(grid, scene.instance[keep])
    surface = describe_surface(grid)
    episodes = first_clicks(grid.centers, instance, config.clicks, rng)
    if episodes is None:
        return None
    clicked = set(episodes.rows) if with_paths else set()
    return Sample(
        coords=grid.coords,
        centers=grid.centers,
        features=input_features(inputs, grid, surface, floor),
        graph=surface.graph,
        edges=describe_edges(grid, surface),
        instance=instance,
        instance_class=scene.instance_class.astype(np.int64),
        episodes=episodes,
        paths={int(r): path_costs(surface.graph, np.array([r]))[0] for r in clicked},
        seed=int(rng.integers(2**31)),
    )


def _stood_up(scene: Scene, target_voxels: int) -> Scene:
    """The scene with z up, found as in `ClickSegmenter.encode`; as it is if its frame has z up."""
    if scene.up is not None:
        return scene
    cloud = PointCloud(scene.xyz.astype(np.float64))
    size = automatic_voxel_size(cloud.xyz, target_voxels=target_voxels)
    cloud = turned(cloud, found_rotation(voxelize(cloud, size)))
    return replace(scene, xyz=cloud.xyz.astype(np.float32))


def _crop(
    xyz: NDArray[np.float64],
    instance: NDArray[np.int32],
    size: float,
    max_voxels: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Points of the `max_voxels` voxels nearest to a random point of a random instance."""
    keys, owner = np.unique(
        np.floor((xyz - xyz.min(axis=0)) / size).astype(np.int64) @ [1 << 42, 1 << 21, 1],
        return_inverse=True,
    )
    if len(keys) <= max_voxels:
        return np.ones(len(xyz), dtype=bool)
    ids = np.unique(instance[instance > 0])
    pool = np.flatnonzero(instance == rng.choice(ids)) if len(ids) else np.arange(len(xyz))
    center = xyz[rng.choice(pool)]
    first = np.zeros(len(keys), dtype=np.int64)
    first[owner] = np.arange(len(xyz))
    near = cKDTree(xyz[first]).query(center, k=max_voxels)[1]
    kept = np.zeros(len(keys), dtype=bool)
    kept[near] = True
    return np.asarray(kept[owner])


def _voxel_labels(grid: VoxelGrid, instance: NDArray[np.int32]) -> NDArray[np.int64]:
    """Instance of one point of each voxel (the first in input order, as AGILE3D has it)."""
    labels = np.zeros(len(grid), dtype=np.int64)
    labels[grid.point_to_voxel[::-1]] = instance[::-1]
    return labels
