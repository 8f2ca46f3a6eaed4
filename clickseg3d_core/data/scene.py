"""A labelled scan, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.atomic import replacing
from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.types import Up

UNLABELLED = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scene:
    """One labelled scan.

    Attributes:
        xyz: (N, 3) float32, metres, any frame; z up where the scan has an up.
        rgb: (N, 3) uint8, or None when the sensor has no color.
        instance: (N,) int32, 0 = unlabelled, 1..M = instance ids; some may have no point.
        instance_class: (M + 1,) int16, index into `class_names` of each instance id, -1 = unknown;
            entry 0 is -1.
        meta: Where the scan comes from: kind, sensor, seed; "frame": "world" says that z is up.
        class_names: Vocabulary of `instance_class` and `semantic`.
        semantic: (N,) int16 index into `class_names`, -1 = unlabelled; None where a point's class
            is that of its instance.

    Raises:
        FileFormatError: if the arrays do not fit together.
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None
    instance: NDArray[np.int32]
    instance_class: NDArray[np.int16]
    meta: Mapping[str, str | int | float] = field(default_factory=dict)
    class_names: tuple[str, ...] = CLASS_NAMES
    semantic: NDArray[np.int16] | None = None

    def __post_init__(self) -> None:
        n = len(self.xyz)
        if self.xyz.shape != (n, 3) or self.instance.shape != (n,):
            raise FileFormatError(
                f"a scene needs xyz (N, 3) and instance (N,), got {self.xyz.shape} and "
                f"{self.instance.shape}; give one instance id per point"
            )
        if self.rgb is not None and self.rgb.shape != (n, 3):
            raise FileFormatError(f"a scene's rgb must be ({n}, 3), got {self.rgb.shape}")
        if n and (self.instance.min() < 0 or self.instance.max() >= len(self.instance_class)):
            raise FileFormatError(
                f"instance ids must be 0..{len(self.instance_class) - 1} (one class entry each), "
                f"got {self.instance.min()}..{self.instance.max()}"
            )
        _check_classes("instance_class", self.instance_class, len(self.class_names))
        if self.semantic is not None:
            if self.semantic.shape != (n,):
                raise FileFormatError(
                    f"a scene's semantic must be ({n},), got {self.semantic.shape}"
                )
            _check_classes("semantic", self.semantic, len(self.class_names))

    def __len__(self) -> int:
        return len(self.xyz)

    @property
    def up(self) -> Up:
        """Which way is up, None if nobody knows."""
        return (0.0, 0.0, 1.0) if self.meta.get("frame") == "world" else None

    def class_name(self, instance: int) -> str:
        """Class of an instance id, "" = unknown."""
        index = int(self.instance_class[instance])
        return self.class_names[index] if index >= 0 else ""

    def take(self, points: NDArray[np.bool_] | NDArray[np.int64]) -> Scene:
        """The scene with some of its points only; ids stay.

        Args:
            points: (N,) bool mask or int64 rows.
        """
        return replace(
            self,
            xyz=self.xyz[points],
            rgb=None if self.rgb is None else self.rgb[points],
            instance=self.instance[points],
            semantic=None if self.semantic is None else self.semantic[points],
        )

    def with_classes(self, class_names: tuple[str, ...]) -> Scene:
        """The scene in another vocabulary; classes that it lacks become unknown.

        Args:
            class_names: The new vocabulary, of a model for example.
        """
        if class_names == self.class_names:
            return self
        index = {name: i for i, name in enumerate(class_names)}
        table = np.array([*(index.get(name, -1) for name in self.class_names), -1], np.int16)
        return replace(
            self,
            instance_class=table[self.instance_class],
            semantic=None if self.semantic is None else table[self.semantic],
            class_names=class_names,
        )


def compact(scene: Scene) -> Scene:
    """The scene with instance ids 1..M in ascending order of the old ids, all with points."""
    kept, place = np.unique(np.append(scene.instance, 0), return_inverse=True)
    return replace(
        scene,
        instance=place[:-1].astype(np.int32),
        instance_class=scene.instance_class[kept],
    )


def _check_classes(name: str, classes: NDArray[np.int16], count: int) -> None:
    if len(classes) and not (classes.min() >= -1 and classes.max() < count):
        raise FileFormatError(
            f"a scene's {name} must be -1..{count - 1}, the indices of its class names, got "
            f"{classes.min()}..{classes.max()}"
        )


def save_scene(scene: Scene, path: Path) -> None:
    """Write a scene as compressed .npz, whole or not at all."""
    arrays: dict[str, NDArray[np.generic]] = {
        "xyz": scene.xyz.astype(np.float32),
        "instance": scene.instance.astype(np.int32),
        "instance_class": scene.instance_class.astype(np.int16),
        "meta": np.array(json.dumps(dict(scene.meta))),
    }
    if scene.rgb is not None:
        arrays["rgb"] = scene.rgb.astype(np.uint8)
    if scene.semantic is not None:
        arrays["semantic"] = scene.semantic.astype(np.int16)
    if scene.class_names != CLASS_NAMES:
        arrays["class_names"] = np.array(scene.class_names)
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]


def load_scene(path: Path) -> Scene:
    """Read a scene written by `save_scene`.

    Raises:
        FileFormatError: if the file is missing, truncated or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            return Scene(
                xyz=data["xyz"],
                rgb=data["rgb"] if "rgb" in data.files else None,
                instance=data["instance"],
                instance_class=data["instance_class"],
                meta=json.loads(str(data["meta"])),
                class_names=tuple(map(str, data["class_names"]))
                if "class_names" in data.files
                else CLASS_NAMES,
                semantic=data["semantic"] if "semantic" in data.files else None,
            )
    except FileFormatError:
        raise
    except Exception as error:  # on damaged bytes numpy, zipfile and zlib raise a dozen classes
        raise FileFormatError(
            f"{path} is not a scene file ({error}); `clickseg3d simulate` writes them"
        ) from error
