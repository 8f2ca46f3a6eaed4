"""What goes in and what comes out: validated, immutable records of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clickseg3d_core.errors import ClickError, CloudError

BACKGROUND_ID = 0

Up = tuple[float, float, float] | None
"""Direction that is up in a cloud's frame, of any length; None where nobody knows."""


def _rows_of_three(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CloudError(f"{name} must be numbers of shape (N, 3), got {values!r:.80}") from error
    if array.ndim != 2 or array.shape[1] != 3:
        raise CloudError(f"{name} must have shape (N, 3), one row per point, got {array.shape}")
    return array


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """A scan to segment.

    Attributes:
        xyz: (N, 3) float64, metres, any fixed frame. Rows with NaN or Inf are kept and come back
            unlabelled.
        rgb: (N, 3) uint8, or None for a scan without color.
        normals: (N, 3) float32 unit vectors in the frame of xyz, sign free, or None to have them
            estimated.

    Raises:
        CloudError: if a shape, a length or a type does not fit, or no point is finite.
    """

    xyz: NDArray[np.float64]
    rgb: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        xyz = _rows_of_three("xyz", self.xyz)
        if len(xyz) == 0:
            raise CloudError("the cloud is empty: xyz has shape (0, 3); give at least one point")
        if not np.isfinite(xyz).all(axis=1).any():
            raise CloudError(
                f"none of the {len(xyz)} points is finite; a cloud needs at least one point whose "
                "x, y and z are numbers"
            )
        object.__setattr__(self, "xyz", xyz)
        if self.rgb is not None:
            object.__setattr__(self, "rgb", _checked_rgb(self.rgb, len(xyz)))
        if self.normals is not None:
            with np.errstate(over="ignore"):
                normals = _rows_of_three("normals", self.normals).astype(np.float32)
            if len(normals) != len(xyz):
                raise CloudError(f"normals must be ({len(xyz)}, 3) like xyz, got {normals.shape}")
            object.__setattr__(self, "normals", normals)

    def __len__(self) -> int:
        return len(self.xyz)


def _checked_rgb(rgb: ArrayLike, n: int) -> NDArray[np.uint8]:
    try:
        array = np.asarray(rgb)
    except ValueError as error:
        raise CloudError(f"rgb must be ({n}, 3) like xyz, got rows of unequal length") from error
    if array.shape != (n, 3):
        raise CloudError(f"rgb must be ({n}, 3) like xyz, got {array.shape}")
    if array.dtype != np.uint8:
        raise CloudError(
            f"rgb must be uint8 in 0..255, got {array.dtype}; scale floats in 0..1 by 255 and cast"
        )
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Clicks:
    """Where the user clicked, in the frame of the cloud.

    Attributes:
        positions: (K, 3) float64, metres, frame of the cloud.
        object_ids: (K,) int64. Clicks with one id mark one object; 0 marks background.

    Raises:
        ClickError: if shapes do not fit, a position is not finite, or an id is negative.
    """

    positions: NDArray[np.float64]
    object_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        try:
            positions = np.asarray(self.positions, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ClickError(
                f"click positions must be numbers of shape (K, 3), got {self.positions!r:.80}"
            ) from error
        if positions.size == 0:
            positions = positions.reshape(0, 3)
        if positions.ndim != 2 or positions.shape[1] != 3:
            raise ClickError(
                f"click positions must be (K, 3), one row per click, got {positions.shape}"
            )
        if not np.isfinite(positions).all():
            raise ClickError("click positions must be finite numbers in metres, got NaN or Inf")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "object_ids", _checked_ids(self.object_ids, len(positions)))

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def objects(self) -> NDArray[np.int64]:
        """(O,) int64 ids of the clicked objects, rising."""
        return np.unique(self.object_ids[self.object_ids != BACKGROUND_ID])


def _checked_ids(object_ids: ArrayLike, k: int) -> NDArray[np.int64]:
    try:
        ids = np.asarray(object_ids)
    except ValueError as error:
        raise ClickError(f"object_ids must be ({k},), got rows of unequal length") from error
    if ids.size == 0:
        ids = ids.reshape(0).astype(np.int64)
    if ids.shape != (k,):
        raise ClickError(f"object_ids must be ({k},), one id per click, got {ids.shape}")
    if not np.issubdtype(ids.dtype, np.integer):
        raise ClickError(f"object_ids must be integers, got {ids.dtype}")
    if k and ids.min() < 0:
        raise ClickError(
            f"object ids must be 1, 2, ... for objects or 0 for background, got {ids.min()}"
        )
    if k and int(ids.max()) > np.iinfo(np.int32).max:
        raise ClickError(f"object ids must fit into int32, got {ids.max()}")
    return ids.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class OrientedBox:
    """A box that fits an object's points, its third axis pointing up.

    Attributes:
        center: (3,) float64, metres, cloud frame.
        extent: (3,) float64, metres, full side lengths along the box axes.
        rotation: (3, 3) float64, columns are the box axes in the cloud frame (right-handed).
    """

    center: NDArray[np.float64]
    extent: NDArray[np.float64]
    rotation: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One segmented object.

    Attributes:
        id: Object id of its clicks.
        class_name: Most probable class.
        class_score: Probability of that class, 0..1.
        mask_score: How sure the mask is: mean probability over its points, 0..1; 0 when empty.
        point_count: Points that carry the id.
        centroid: (3,) float64, metres, cloud frame: mean of its points, or of its clicks if empty.
        box: Oriented bounding box of its points.
    """

    id: int
    class_name: str
    class_score: float
    mask_score: float
    point_count: int
    centroid: NDArray[np.float64]
    box: OrientedBox


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The answer to a set of clicks.

    Attributes:
        labels: (N,) int32 in input order: object id, or 0 for background, unclicked and
            non-finite points.
        probabilities: (N,) float32, probability of the given label; 0 for non-finite points.
        instances: One per clicked object, in order of id.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    instances: tuple[Instance, ...]
