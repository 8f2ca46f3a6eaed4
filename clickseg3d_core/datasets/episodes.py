"""Episodes of a benchmark: which objects of which scene a simulated user clicks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.agile3d import (
    SingleObject,
    by_scene,
    crop_path,
    known_classes,
    read_multi_list,
    read_scan,
    read_single_list,
    scan_path,
    vocabulary,
)
from clickseg3d_core.datasets.draw import draw_nearby, object_sizes, scene_rng
from clickseg3d_core.datasets.folder import folder_scenes
from clickseg3d_core.errors import ConfigError, FileFormatError

Kind = Literal["multi", "single"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Episode:
    """Objects that are clicked in one scene.

    Attributes:
        key: "<scene>_obj_<N>" of a multi-object episode with N objects, "<scene>_obj_<object id>"
            of a single-object one; <scene> is the whole scan and the id that of the list, also
            where the episode is played in a crop.
        scene: Scene to read: the scan, or the crop "<scene>_crop_<object id>".
        object_ids: Instance ids in the scene, in the order of list numbers 1..N.
        class_names: Class of each object, "" = unknown.
    """

    key: str
    scene: str
    object_ids: tuple[int, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EpisodeSet:
    """A list of episodes, and their scenes when asked for. Can be sent to other processes.

    Attributes:
        name: Name of the benchmark.
        kind: multi: the objects of an episode are clicked together; single: one object each.
        episodes: In the order of the list.
        read_scene: Reads a scene by name; nothing is kept in memory.

    Raises:
        FileFormatError: if there is no episode, or a key occurs twice.
    """

    name: str
    kind: Kind
    episodes: tuple[Episode, ...]
    read_scene: Callable[[str], Scene]
    _by_key: Mapping[str, Episode] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_key = {episode.key: episode for episode in self.episodes}
        if not by_key:
            raise FileFormatError(f"{self.name} has no {self.kind} episode")
        if len(by_key) < len(self.episodes):
            twice = next(e.key for e in self.episodes if by_key[e.key] is not e)
            raise FileFormatError(f"{self.name} has the {self.kind} episode {twice!r} twice")
        object.__setattr__(self, "_by_key", by_key)

    def __len__(self) -> int:
        return len(self.episodes)

    def read(self, name: str) -> Scene:
        """Read the scene of an episode.

        Args:
            name: Key of an episode, or name of a scene.

        Raises:
            FileFormatError: if the scene cannot be read, or the episode has an object without
                points.
        """
        episode = self._by_key.get(name)
        if episode is None:
            return self.read_scene(name)
        scene = self.read_scene(episode.scene)
        missing = set(episode.object_ids) - set(np.unique(scene.instance).tolist())
        if missing:
            raise FileFormatError(
                f"episode {episode.key!r} of {self.name} names object {min(missing)}, which has no "
                f"point in scene {episode.scene}; the lists belong to other scans"
            )
        return scene


def agile3d_episodes(folder: Path, kind: Kind) -> EpisodeSet:
    """Episodes of a folder in the layout of AGILE3D's benchmark.

    Single-object episodes are played in crops if the folder has single/crops. Instance ids are the
    labels of the scans; if the list has an object 0, all ids are one higher, as 0 means
    unlabelled here.

    Args:
        folder: The folder that holds scans/.
        kind: Which of the two lists.

    Raises:
        FileFormatError: if a list is missing or damaged, or a scan that it names is missing.
        ConfigError: if the kind is unknown.
    """
    _check_kind(kind)
    if kind == "multi":
        return _multi_episodes(folder)
    rows = read_single_list(folder)
    crops = (folder / "single" / "crops").is_dir()
    return _crop_episodes(folder, rows) if crops else _single_episodes(folder, rows)


def folder_episodes(
    folder: Path, kind: Kind, seed: int, max_objects: int | None = 10, min_points: int = 30
) -> EpisodeSet:
    """Episodes on a plain folder of labelled .npz and .ply scenes, see `folder.read_labelled`.

    single: every object. multi: one episode a scene, with N nearby objects, N uniform in
    1..max_objects. The draw depends on the seed and the scene's name only. Every scene is read
    once to know its objects.

    Args:
        folder: The scenes.
        kind: Which protocol.
        seed: Seed of the draw.
        max_objects: Objects of a multi-object episode at most; None = all objects of the scene.
        min_points: Smaller objects are no targets.

    Raises:
        FileFormatError: if a file cannot be read or there is no object of that size.
        ConfigError: if a value is out of range.
    """
    _check_kind(kind)
    if (max_objects is not None and max_objects < 1) or min_points < 1 or seed < 0:
        raise ConfigError(
            f"max_objects and min_points must be 1 or more and seed 0 or more, got {max_objects}, "
            f"{min_points} and {seed}"
        )
    scenes = folder_scenes(folder)
    episodes: list[Episode] = []
    for name in scenes.names:
        scene = scenes.read(name)
        ids = [i for i, points in object_sizes(scene).items() if points >= min_points]
        if kind == "single":
            episodes += [_episode(scene, f"{name}_obj_{i}", name, (i,)) for i in ids]
        elif ids:
            (drawn,) = draw_nearby(scene, ids, max_objects, scene_rng(seed, name))
            episodes.append(_episode(scene, f"{name}_obj_{len(drawn)}", name, drawn))
    return EpisodeSet(name=folder.name, kind=kind, episodes=tuple(episodes), read_scene=scenes.read)


def _episode(scene: Scene, key: str, name: str, ids: tuple[int, ...]) -> Episode:
    classes = tuple(scene.class_name(i) for i in ids)
    return Episode(key=key, scene=name, object_ids=ids, class_names=classes)


def _multi_episodes(folder: Path) -> EpisodeSet:
    listed = read_multi_list(folder / "val_list.json")
    offset = int(any(0 in ids for _, ids in listed.values()))
    shifted = _shift(known_classes(folder), offset)
    episodes = tuple(
        _listed_episode(key, scene, tuple(i + offset for i in ids), shifted.get(scene, {}))
        for key, (scene, ids) in listed.items()
    )
    return _scan_set(folder, "multi", episodes, offset, shifted)


def _single_episodes(folder: Path, rows: tuple[SingleObject, ...]) -> EpisodeSet:
    offset = int(any(row.object_id == 0 for row in rows))
    classes = _shift(by_scene(rows), offset)
    episodes = tuple(
        _listed_episode(
            f"{row.scene}_obj_{row.object_id}",
            row.scene,
            (row.object_id + offset,),
            classes[row.scene],
        )
        for row in rows
    )
    return _scan_set(folder, "single", episodes, offset, classes)


def _crop_episodes(folder: Path, rows: tuple[SingleObject, ...]) -> EpisodeSet:
    """The label of a crop is 1 on the object and 0 elsewhere."""
    by_crop = {f"{row.scene}_crop_{row.object_id}": row for row in rows}
    paths = {name: crop_path(folder, row.scene, row.object_id) for name, row in by_crop.items()}
    _check_files(folder, paths)
    episodes = tuple(
        Episode(
            key=f"{row.scene}_obj_{row.object_id}",
            scene=name,
            object_ids=(1,),
            class_names=(row.class_name,),
        )
        for name, row in by_crop.items()
    )
    classes = {name: {1: row.class_name} for name, row in by_crop.items()}
    read = partial(_read_named, paths, 0, classes, vocabulary(classes))
    return EpisodeSet(name=folder.name, kind="single", episodes=episodes, read_scene=read)


def _scan_set(
    folder: Path,
    kind: Kind,
    episodes: tuple[Episode, ...],
    offset: int,
    classes: Mapping[str, Mapping[int, str]],
) -> EpisodeSet:
    paths = {episode.scene: scan_path(folder, episode.scene) for episode in episodes}
    _check_files(folder, paths)
    read = partial(_read_named, paths, offset, classes, vocabulary(classes))
    return EpisodeSet(name=folder.name, kind=kind, episodes=episodes, read_scene=read)


def _read_named(
    paths: Mapping[str, Path],
    offset: int,
    classes: Mapping[str, Mapping[int, str]],
    class_names: tuple[str, ...],
    name: str,
) -> Scene:
    if name not in paths:
        raise FileFormatError(f"no episode is played in a scene {name!r}")
    return read_scan(paths[name], offset, classes.get(name, {}), class_names)


def _listed_episode(
    key: str, scene: str, ids: tuple[int, ...], classes: Mapping[int, str]
) -> Episode:
    names = tuple(classes.get(i, "") for i in ids)
    return Episode(key=key, scene=scene, object_ids=ids, class_names=names)


def _shift(classes: Mapping[str, Mapping[int, str]], offset: int) -> dict[str, dict[int, str]]:
    return {s: {i + offset: name for i, name in c.items()} for s, c in classes.items()}


def _check_files(folder: Path, paths: Mapping[str, Path]) -> None:
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise FileFormatError(
            f"{folder}: {len(missing)} of {len(paths)} scans that the lists name are missing, "
            f"{missing[0]} for one"
        )


def _check_kind(kind: str) -> None:
    if kind not in ("multi", "single"):
        raise ConfigError(f"kind must be multi or single, got {kind!r}")
