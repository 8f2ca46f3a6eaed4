"""Which way is up in a cloud whose frame does not say so.

The network has learned from scans whose z axis points up, as in maps, in LiDAR and in robot frames.
A depth camera gives its clouds in its optical frame (x right, y down, z forward; REP 103), tilted
by as much as the camera is. Up is then found from what is flat: floors and tables lie level, walls
stand upright.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clickseg3d_core.errors import CloudError
from clickseg3d_core.types import PointCloud
from clickseg3d_core.voxels import VoxelGrid

Vector = NDArray[np.float64]

AXES: dict[str, tuple[float, float, float]] = {
    "+x": (1.0, 0.0, 0.0), "+y": (0.0, 1.0, 0.0), "+z": (0.0, 0.0, 1.0),
    "-x": (-1.0, 0.0, 0.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip

SPARED_DEGREES = 5.0
"""A cloud that leans less than this stays as it is."""

_SAMPLES = 3000
"""Voxels that are looked at."""
_CANDIDATES = 300
_NEIGHBORS = 20
_FLAT = 0.03
"""Surface variation up to which a voxel counts as flat."""
_NEAR = float(np.cos(np.deg2rad(8.0)))
"""Cosine from which directions count as the same; upright means a sine below its complement."""
_UPRIGHT = float(np.sin(np.deg2rad(8.0)))
_APART = float(np.cos(np.deg2rad(20.0)))
"""Cosine below which two candidates are two."""
_PEAKS = 6
_LEANS = float(np.cos(np.deg2rad(30.0)))
"""Farther from z, what stands on what decides between a direction and its opposite."""
_UPRIGHT_SHARE = 0.5
"""How much an upright surface says, beside a level one."""
_LEAST_LEVEL = 0.03
"""Level share below which nothing is known about what stands on it."""
_BETTER = 1.2
"""How much better another direction must fit than z, times."""


def axis_named(name: str) -> tuple[float, float, float]:
    """The direction of an axis: +x, +y, +z, -x, -y or -z.

    Raises:
        CloudError: if it is another name.
    """
    if name not in AXES:
        raise CloudError(f"up must be one of {', '.join(AXES)}, got {name!r}")
    return AXES[name]


def up_direction(grid: VoxelGrid) -> Vector:
    """The direction that fits best, (0, 0, 1) unless another fits clearly better.

    Candidates are the directions in which many flat voxels face. One fits by how much of the
    surface is level or upright if it is up, by which side of the level part things stand on, and
    by how likely it is in such a frame: near z in all, and in a cloud that lies in front of the
    origin like the view of a camera, from against y to against z.

    Args:
        grid: Of a cloud in its own frame.

    Returns:
        (3,) float64 unit vector in that frame.
    """
    z = np.array(AXES["+z"])
    centers, normals = _flat_voxels(grid)
    if len(normals) < 50:
        return z
    camera = _camera_axes(grid)
    found = [z, *(sign * peak for peak in _peaks(normals) for sign in (1.0, -1.0))]
    if camera is not None:
        found.append(camera[0])
    heights = grid.centers[:: max(len(grid) // _SAMPLES, 1)].astype(np.float64)
    scores = [_fit(up, centers, normals, heights, camera) for up in found]
    best = int(np.argmax(scores))
    if scores[best] < _BETTER * scores[0] or found[best] @ z > np.cos(np.deg2rad(SPARED_DEGREES)):
        return z
    return found[best]


def found_rotation(grid: VoxelGrid) -> NDArray[np.float64]:
    """(3, 3) rotation that takes to z what is up in a cloud by its looks; the identity if z is."""
    return rotation_upright(up_direction(grid))


def rotation_upright(up: Sequence[float] | Vector) -> NDArray[np.float64]:
    """A rotation that takes `up` to z.

    Args:
        up: (3,) any length above 0.

    Returns:
        (3, 3) float64; exactly the identity if `up` is along z.

    Raises:
        CloudError: if `up` is not three finite numbers, or all of them are 0.
    """
    try:
        vector = np.asarray(up, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.zeros(0)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else 0.0
    if not (np.isfinite(length) and length > 0.0):
        raise CloudError(
            f"up must be a direction of three numbers, not all 0, in the frame of the cloud, got "
            f"{up!r:.80}; for a cloud whose z axis points up give (0, 0, 1)"
        )
    x, y, z = vector / length
    over = np.diag([1.0, -1.0, -1.0])
    if z < 0.0:  # half a turn first: the short way from -z is every way
        return rotation_upright(over @ (x, y, z)) @ over
    cross = np.array([[0.0, 0.0, -x], [0.0, 0.0, -y], [x, y, 0.0]])
    rotation: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1.0 + z)
    return rotation


def turned(cloud: PointCloud, rotation: NDArray[np.float64]) -> PointCloud:
    """A cloud in another frame.

    Args:
        cloud: N points, metres.
        rotation: (3, 3) from the cloud's frame to the other.
    """
    normals = None if cloud.normals is None else cloud.normals @ rotation.T.astype(np.float32)
    with np.errstate(invalid="ignore"):  # points that are not finite stay so
        return PointCloud(cloud.xyz @ rotation.T, cloud.rgb, normals)


def _flat_voxels(grid: VoxelGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (M, 3) and normals (M, 3) of any sign of the flat ones among evenly taken voxels."""
    chosen = np.arange(0, len(grid), max(len(grid) // _SAMPLES, 1))
    k = min(_NEIGHBORS, len(grid))
    near = np.asarray(cKDTree(grid.centers).query(grid.centers[chosen], k=range(1, k + 1))[1])
    patch = grid.centers[near].astype(np.float64)
    offset = patch - patch.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(offset.transpose(0, 2, 1) @ offset)
    flat = values[:, 0] <= _FLAT * values.sum(axis=1)
    return grid.centers[chosen[flat]].astype(np.float64), vectors[flat, :, 0]


def _peaks(normals: NDArray[np.float64]) -> list[Vector]:
    """Directions that most normals have, of any sign, each the mean of those near it."""
    tried = normals[:: max(len(normals) // _CANDIDATES, 1)]
    support = (np.abs(tried @ normals.T) > _NEAR).sum(axis=1)
    peaks: list[Vector] = []
    for row in np.argsort(-support, kind="stable"):
        peak = tried[row]
        if all(abs(float(peak @ other)) < _APART for other in peaks):
            for _ in range(2):
                near = normals[np.abs(normals @ peak) > _NEAR]
                peak = np.linalg.eigh(near.T @ near)[1][:, -1]
            peaks.append(peak)
        if len(peaks) == _PEAKS:
            break
    return peaks


def _camera_axes(grid: VoxelGrid) -> tuple[Vector, Vector] | None:
    """Up and backward of a camera at the origin that sees all of the cloud, or None.

    Cameras look along z with y down, or in computer graphics against z with y up.
    """
    xyz = grid.centers * grid.voxel_size + grid.origin
    for sign in (1.0, -1.0):
        depth = sign * xyz[:, 2]
        seen = (depth > 0) & (np.abs(xyz[:, 0]) < 1.2 * depth) & (np.abs(xyz[:, 1]) < 1.2 * depth)
        if seen.mean() > 0.995:
            return np.array([0.0, -sign, 0.0]), np.array([0.0, 0.0, -sign])
    return None


def _fit(
    up: Vector,
    centers: NDArray[np.float64],
    normals: NDArray[np.float64],
    everything: NDArray[np.float64],
    camera: tuple[Vector, Vector] | None,
) -> float:
    """How well a direction explains the cloud as up; its parts are weighed by hand."""
    along = np.abs(normals @ up)
    level = along > _NEAR
    share = float(level.mean())
    fit = share + _UPRIGHT_SHARE * float((along < _UPRIGHT).mean())
    stands = 1.0
    if share >= _LEAST_LEVEL and (camera is not None or up[2] < _LEANS):
        stands = 0.2 + 0.8 * _standing(centers[level] @ up, everything @ up)
    return fit * stands * _likely(up, camera)


def _standing(level: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    """Share of what is near the largest level surface that is above it, 0 to 1."""
    low, high = np.percentile(heights, [1, 99])
    bins = max(int((high - low) / 3.0), 1)
    counts, edges = np.histogram(level, bins=bins, range=(low, high))
    most = int(counts.argmax())
    surface = 0.5 * (edges[most] + edges[most + 1])
    reach = max(0.3 * (high - low), 8.0)
    gap = heights - surface
    above = int(((gap > 3.0) & (gap < reach)).sum())
    below = int(((gap < -3.0) & (gap > -reach)).sum())
    return above / (above + below) if above + below else 0.5


def _likely(up: Vector, camera: tuple[Vector, Vector] | None) -> float:
    """How likely a direction is to be up in such a frame, 0 to 1, before anything is looked at."""
    angle = float(np.rad2deg(np.arccos(np.clip(up[2], -1.0, 1.0))))
    world = float(np.interp(angle, [0.0, 30.0, 90.0, 180.0], [1.0, 0.6, 0.35, 0.25]))
    if camera is None:
        return world
    upward, backward = float(up @ camera[0]), float(up @ camera[1])
    sideways = float(np.sqrt(max(1.0 - upward**2 - backward**2, 0.0)))
    looking_down = backward > -0.35 and upward > -0.1 and sideways < 0.5
    seen = float(np.interp(upward, [0.0, 0.5], [0.8, 1.0])) if looking_down else 0.15
    return max(seen, 0.7 * world)
