"""A labelled scan, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.atomic import replacing
from clickseg3d_core.errors import FileFormatError

UNLABELLED = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scene:
    """One labelled scan.

    Attributes:
        xyz: (N, 3) float32, metres, any frame; z up where the scan has an up.
        rgb: (N, 3) uint8, or None when the sensor has no color.
        instance: (N,) int32, 0 = unlabelled, 1..M = instance ids.
        instance_class: (M + 1,) int16, index into `classes.CLASS_NAMES` of each instance id;
            entry 0 is -1.
        meta: Where the scan comes from: kind, sensor, seed.
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None
    instance: NDArray[np.int32]
    instance_class: NDArray[np.int16]
    meta: Mapping[str, str | int | float] = field(default_factory=dict)

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
            )
    except FileFormatError:
        raise
    except Exception as error:  # on damaged bytes numpy, zipfile and zlib raise a dozen classes
        raise FileFormatError(
            f"{path} is not a scene file ({error}); `clickseg3d simulate` writes them"
        ) from error
