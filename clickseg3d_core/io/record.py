"""What was read from a cloud file, and the three fields that a segmentation adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.types import PointCloud, Segmentation

Array = NDArray[np.generic]
NO_CLASS = -1
RESULT_FIELDS = ("instance", "class", "score")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CloudFile:
    """A cloud with everything else that its file says about the points.

    Attributes:
        cloud: The points, (N, 3) metres in the file's frame, with color and normals if it has them.
        fields: Other arrays per point, by name, each (N,) or (N, C), file's own dtype.
        path: Where it was read from.
        native: What the reader of this format needs to write the same format again with nothing
            lost (header, comments, faces); None if nothing.
    """

    cloud: PointCloud
    fields: Mapping[str, Array] = field(default_factory=dict)
    path: Path
    native: object | None = None


def result_fields(result: Segmentation, n: int) -> dict[str, Array]:
    """The fields added to a file: what each point belongs to.

    Args:
        result: Segmentation of a cloud of n points.
        n: Number of points in the file.

    Returns:
        instance: (n,) int32, object id, 0 = none.
        class: (n,) int16, index into `classes.CLASS_NAMES`, -1 = none.
        score: (n,) float32, probability of the given label, 0..1.

    Raises:
        FileFormatError: if the result belongs to a cloud of another length.
    """
    if len(result.labels) != n:
        raise FileFormatError(
            f"the segmentation has {len(result.labels)} points and the cloud {n}; write the result "
            "of this cloud"
        )
    class_ids = np.full(n, NO_CLASS, dtype=np.int16)
    for instance in result.instances:
        class_ids[result.labels == instance.id] = CLASS_IDS.get(instance.class_name, NO_CLASS)
    return {
        "instance": result.labels.astype(np.int32),
        "class": class_ids,
        "score": result.probabilities.astype(np.float32),
    }


def free_name(name: str, taken: set[str]) -> str:
    """A name for a field of the input that must give way to a field of the result."""
    while name in taken:
        name = f"input_{name}"
    return name


def scalar_fields(fields: Mapping[str, Array]) -> dict[str, Array]:
    """Numeric fields as one (N,) array per column, for formats without array fields.

    (N, C) becomes name_0 .. name_{C-1}; text and object arrays are left out; bool becomes uint8.
    """
    columns: dict[str, Array] = {}
    for name, array in fields.items():
        if array.dtype.kind not in "biuf":
            continue
        values = array.astype(np.uint8) if array.dtype.kind == "b" else array
        if values.ndim == 1:
            columns[name] = values
        else:
            flat = values.reshape(len(values), -1)
            columns.update({f"{name}_{c}": flat[:, c] for c in range(flat.shape[1])})
    return columns


def with_result(fields: Mapping[str, Array], added: Mapping[str, Array]) -> dict[str, Array]:
    """Fields of the input followed by those of the result; clashing inputs are renamed."""
    merged: dict[str, Array] = {}
    taken = set(added) | {name for name in fields if name not in added}
    for name, array in fields.items():
        kept = free_name(name, taken) if name in added else name
        taken.add(kept)
        merged[kept] = array
    return {**merged, **added}


def stored_xyz(cloud: PointCloud) -> NDArray[np.floating]:
    """Xyz (N, 3) as float32 where that loses nothing, else float64; metres, the cloud's frame."""
    single = cloud.xyz.astype(np.float32)
    if np.array_equal(single.astype(np.float64), cloud.xyz, equal_nan=True):
        return single
    return cloud.xyz
