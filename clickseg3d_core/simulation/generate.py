"""Makes folders of simulated scenes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.simulation.library import MeshLibrary, load_library
from clickseg3d_core.simulation.roomscan import simulate_room
from clickseg3d_core.simulation.street import simulate_street
from clickseg3d_core.simulation.table import simulate_table
from clickseg3d_core.simulation.worlds import PlacedWorld, load_world, simulate_world

logger = logging.getLogger(__name__)

COMMON_KINDS = ("room", "table", "street")
KINDS = (*COMMON_KINDS, "laser")
"""A laser is a room scanned by one; one room in eight is, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationConfig:
    """What to simulate.

    Attributes:
        scenes: How many.
        seed: Scene i depends on (seed, i) only.
        kinds: Kinds to draw from, of `KINDS`.
        weights: Share of each kind, need not sum to 1.
        meshes: Folder of a mesh library to mix in, or None for shapes only.
        unseen_worlds: World files whose meshes are left out of the library.
        worlds: World files to scan, in turn, instead of made-up scenes; their meshes are in
            `meshes`, and `kinds` must be room or street.

    Raises:
        ConfigError: if a value is out of range or a kind is unknown.
    """

    scenes: int
    seed: int = 0
    kinds: tuple[str, ...] = COMMON_KINDS
    weights: tuple[float, ...] = (0.5, 0.3, 0.2)
    meshes: Path | None = None
    unseen_worlds: tuple[Path, ...] = ()
    worlds: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.scenes < 1:
            raise ConfigError(f"scenes must be 1 or more, got {self.scenes}")
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, got {self.seed}")
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise ConfigError(f"kinds must be some of {', '.join(KINDS)}, got {self.kinds}")
        if self.worlds and (self.meshes is None or not {"room", "street"}.issuperset(self.kinds)):
            raise ConfigError(
                "scans of placed worlds need the folder of their meshes, and kinds room or street; "
                f"got meshes {self.meshes}, kinds {self.kinds}"
            )
        if len(self.weights) != len(self.kinds) or min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ConfigError(
                f"weights must be {len(self.kinds)} numbers >= 0 with a positive sum, one per "
                f"kind, got {self.weights}"
            )


def simulate_scene(kind: str, rng: np.random.Generator, library: MeshLibrary | None) -> Scene:
    """Simulate one labelled scan.

    Args:
        kind: One of `KINDS`.
        rng: Source of everything random.
        library: Meshes to mix in, or None for shapes only.

    Raises:
        ConfigError: if the kind is unknown.
    """
    if kind in ("room", "laser"):
        return simulate_room(rng, library, laser=kind == "laser")
    if kind == "table":
        return simulate_table(rng, library)
    if kind == "street":
        return simulate_street(rng, library)
    raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")


@lru_cache(maxsize=2)
def _library(folder: Path | None, unseen: tuple[Path, ...]) -> MeshLibrary | None:
    return None if folder is None else load_library(folder, without=unseen)


@lru_cache(maxsize=4)
def _world(path: Path, meshes: Path) -> PlacedWorld:
    return load_world(path, meshes)


def scene_path(out: Path, index: int) -> Path:
    """File of scene `index` in folder `out`."""
    return out / f"scene_{index:05d}.npz"


def write_one(config: SimulationConfig, out: Path, index: int) -> Path:
    """Simulate and write scene `index`; an existing file is kept."""
    path = scene_path(out, index)
    if path.exists():
        return path
    rng = np.random.default_rng([config.seed, index])
    shares = np.asarray(config.weights, dtype=np.float64)
    kind = config.kinds[int(rng.choice(len(config.kinds), p=shares / shares.sum()))]
    if config.worlds and config.meshes is not None:
        turns = [config.worlds[(index + i) % len(config.worlds)] for i in range(len(config.worlds))]
        scene = _placed_scene(turns, config.meshes, kind, rng)
    else:
        scene = simulate_scene(kind, rng, _library(config.meshes, config.unseen_worlds))
    meta = {**scene.meta, "seed": config.seed, "index": index}
    save_scene(replace(scene, meta=meta), path)
    return path


def _placed_scene(
    worlds: Sequence[Path], meshes: Path, kind: str, rng: np.random.Generator
) -> Scene:
    """A scan of the first world, or of the next one if 30 tries there showed too little."""
    for path in worlds[:-1]:
        try:
            return simulate_world(_world(path, meshes), kind, rng)
        except ConfigError as error:
            logger.info("%s", error)
    return simulate_world(_world(worlds[-1], meshes), kind, rng)


def generate(
    config: SimulationConfig,
    out: Path,
    workers: int = 1,
    on_scene: Callable[[int, Path], None] | None = None,
) -> list[Path]:
    """Write scene_00000.npz, scene_00001.npz, ... into a folder.

    Existing files are kept, so that a stopped run goes on where it was. Each scene depends on
    (seed, index) only, whatever the number of workers, and files appear whole or not at all.

    Args:
        config: What to simulate.
        out: Folder; made if missing.
        workers: Processes; 1 simulates in this one.
        on_scene: Called with index and path after each scene, in order.

    Returns:
        All paths in order.

    Raises:
        ConfigError: if `workers` is under 1, or the ray caster is not installed.
        FileFormatError: if the mesh library cannot be read.
    """
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}")
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    indices = range(config.scenes)

    def take(path: Path) -> None:
        paths.append(path)
        if on_scene is not None:
            on_scene(len(paths) - 1, path)

    if workers == 1:
        for index in indices:
            take(write_one(config, out, index))
        return paths
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for path in pool.map(write_one, repeat(config), repeat(out), indices):
            take(path)
    return paths
