"""An RGB-D camera with the faults of a structured-light sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.simulation.mesh import FloatArray
from clickseg3d_core.simulation.raycast import Caster


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthCamera:
    """Intrinsics and faults.

    Attributes:
        width: Pixels per row.
        height: Rows.
        field: Horizontal field of view in radians.
        near: Shortest range in metres.
        far: Longest range in metres.
        noise: Factor on the axial noise of Nguyen et al. 2012.
        step: Quantization step of depth at 1 m in metres, growing with depth squared.
        baseline: Metres from camera to projector (0: no projector shadow).
        jitter: Standard deviation in pixels of the ragged depth edges.
        window: Radius in pixels of the matching window, which rounds creases off.
        flying: Probability that an edge pixel lands between foreground and background.
        grazing: Cosine of incidence under which returns begin to vanish.
        dropout: Probability that any pixel has no return.
        shift: Rows and columns by which the color image is off.
    """

    width: int = 320
    height: int = 240
    field: float = 1.0
    near: float = 0.4
    far: float = 4.5
    noise: float = 1.0
    step: float = 0.0028
    baseline: float = 0.075
    jitter: float = 0.5
    window: int = 0
    flying: float = 0.15
    grazing: float = 0.2
    dropout: float = 0.005
    shift: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """What one shot returned.

    Attributes:
        points: (N, 3) float64, metres, world frame, with noise.
        clean: (N, 3) float64, metres, world frame, on the surface that the color comes from.
        face: (N,) int64, world face that the depth came from.
        color_face: (N,) int64, world face that the color came from.
        pixel: (N, 2) int64, row and column.
    """

    points: FloatArray
    clean: FloatArray
    face: NDArray[np.int64]
    color_face: NDArray[np.int64]
    pixel: NDArray[np.int64]


def look_at(eye: FloatArray, target: FloatArray, roll: float = 0.0) -> FloatArray:
    """(4, 4) camera-to-world pose, optical frame (x right, y down, z forward)."""
    forward = target - eye
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / (np.linalg.norm(right) + 1e-9)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], axis=1)
    pose[:3, 3] = eye
    return pose


def pixel_rays(camera: DepthCamera) -> FloatArray:
    """(H * W, 3) float64 rays with z = 1, optical frame, row by row."""
    focal = camera.width / 2.0 / np.tan(camera.field / 2.0)
    x = (np.arange(camera.width) - (camera.width - 1) / 2.0) / focal
    y = (np.arange(camera.height) - (camera.height - 1) / 2.0) / focal
    gx, gy = np.meshgrid(x, y)
    return np.stack([gx.ravel(), gy.ravel(), np.ones(gx.size)], axis=1)


def depth_sigma(depth: FloatArray) -> FloatArray:
    """Axial noise of a Kinect in metres at `depth` metres (Nguyen et al. 2012, eq. 3)."""
    return np.asarray(0.0012 + 0.0019 * (depth - 0.4) ** 2)


def _ragged(camera: DepthCamera, depth: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """(H * W,) index of the pixel whose depth each pixel shows: edges become ragged."""
    shape = (camera.height, camera.width)
    row, column = np.indices(shape).reshape(2, -1)
    shift = np.rint(rng.normal(0.0, camera.jitter, (2, row.size))).astype(np.int64)
    row = np.clip(row + shift[0], 0, camera.height - 1)
    column = np.clip(column + shift[1], 0, camera.width - 1)
    return np.asarray(row * camera.width + column)


def _edge_partner(camera: DepthCamera, depth: FloatArray) -> FloatArray:
    """(H * W,) depth of the right or lower neighbor where an edge lies between, else own.

    An edge differs by over 3 %; over deeper edges the sensor gives nothing rather than a mix.
    """
    image = depth.reshape(camera.height, camera.width)
    partner = image.copy()
    for axis in (0, 1):
        rolled = np.roll(image, -1, axis=axis)
        with np.errstate(invalid="ignore"):
            gap = np.abs(rolled - image)
            jump = (gap > 0.03 * image) & (gap < 0.25)
        partner = np.where(jump & np.isfinite(rolled), rolled, partner)
    return np.asarray(partner.reshape(-1))


def _windowed(camera: DepthCamera, depth: FloatArray) -> FloatArray:
    """(H * W,) depth averaged over a square window, leaving out pixels over 2 % nearer or farther.

    A matcher compares windows, so creases and contacts between things come out rounded.
    """
    image = depth.reshape(camera.height, camera.width)
    total, count = image.copy(), np.ones(image.shape)
    reach = range(-camera.window, camera.window + 1)
    with np.errstate(invalid="ignore"):
        for shift in ((r, c) for r in reach for c in reach if r or c):
            other = np.roll(image, shift, axis=(0, 1))
            near = np.abs(other - image) < 0.02 * image
            total += np.where(near, other, 0.0)
            count += near
    return np.asarray((total / count).reshape(-1))


def _noisy_depth(camera: DepthCamera, depth: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Quantize depth, add pixel noise and a patchy bias like that of a matching window."""
    rows, columns = camera.height // 8 + 2, camera.width // 8 + 2
    coarse = rng.normal(0.0, 1.0, (rows, columns))
    row, column = np.indices((camera.height, camera.width)).reshape(2, -1)
    r, c = row / 8.0, column / 8.0
    r0, c0 = r.astype(np.int64), c.astype(np.int64)
    fr, fc = r - r0, c - c0
    patch = (coarse[r0, c0] * (1 - fc) + coarse[r0, c0 + 1] * fc) * (1 - fr) + (
        coarse[r0 + 1, c0] * (1 - fc) + coarse[r0 + 1, c0 + 1] * fc
    ) * fr
    sigma = depth_sigma(depth) * camera.noise
    noisy = depth + sigma * (0.6 * rng.normal(size=depth.shape) + 0.9 * patch)
    if camera.step <= 0.0:
        return np.asarray(noisy)
    disparity = 1.0 / np.maximum(noisy, 1e-3)
    return np.asarray(1.0 / (np.maximum(np.rint(disparity / camera.step), 1.0) * camera.step))


def shoot(caster: Caster, camera: DepthCamera, pose: FloatArray, rng: np.random.Generator) -> View:
    """Take one RGB-D shot.

    Args:
        caster: Rays into the world.
        camera: The sensor.
        pose: (4, 4) camera to world, optical frame.
        rng: Source of the faults.

    Returns:
        The valid pixels.
    """
    rays = pixel_rays(camera)
    length = np.linalg.norm(rays, axis=1)
    unit = (rays / length[:, None]) @ pose[:3, :3].T
    distance, face = caster.cast(np.tile(pose[:3, 3], (len(rays), 1)), unit)
    depth = distance / length
    source = _ragged(camera, depth, rng)
    shown, depth_face = _windowed(camera, depth)[source], face[source]
    partner = _edge_partner(camera, shown)
    fly = (partner != shown) & (rng.random(len(shown)) < camera.flying)
    with np.errstate(invalid="ignore"):
        shown = np.where(fly, shown + (partner - shown) * rng.random(len(shown)), shown)
    keep = _returns(caster, camera, pose, unit, distance, face, rng)[source]
    keep &= (face >= 0) & np.isfinite(shown) & (shown > camera.near) & (shown < camera.far)
    rows = np.flatnonzero(keep)
    noisy = _noisy_depth(camera, np.where(np.isfinite(shown), shown, 1.0), rng)[rows]
    seen = _color_pixels(camera, face, rows)
    clean = pose[:3, 3] + unit[seen] * distance[seen, None]
    points = (rays[rows] * noisy[:, None]) @ pose[:3, :3].T + pose[:3, 3]
    pixel = np.stack([rows // camera.width, rows % camera.width], axis=1)
    return View(
        points=points, clean=clean, face=depth_face[rows], color_face=face[seen], pixel=pixel
    )


def _color_pixels(
    camera: DepthCamera, face: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pixels that give the colors of depth pixels `rows`; own ones where nothing is."""
    row = np.clip(rows // camera.width + camera.shift[0], 0, camera.height - 1)
    column = np.clip(rows % camera.width + camera.shift[1], 0, camera.width - 1)
    other = row * camera.width + column
    return np.where(face[other] >= 0, other, rows)


def random_shift(rng: np.random.Generator, most: int) -> tuple[int, int]:
    """Draw by how many rows and columns a color image is off, at most `most`; half are exact."""
    if rng.random() < 0.5:
        return (0, 0)
    row, column = rng.integers(-most, most + 1, 2).tolist()
    return (int(row), int(column))


def _returns(
    caster: Caster,
    camera: DepthCamera,
    pose: FloatArray,
    unit: FloatArray,
    distance: FloatArray,
    face: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """(H * W,) whether the sensor gets a return: hit, incidence, material, projector light."""
    hit = np.flatnonzero(face >= 0)
    cosine = np.abs(np.einsum("ij,ij->i", unit[hit], caster.world.normals[face[hit]]))
    lost = np.clip(1.0 - cosine / max(camera.grazing, 1e-6), 0.0, 1.0)
    lost = 1.0 - (1.0 - lost) * (1.0 - caster.world.dropout(face[hit])) * (1.0 - camera.dropout)
    seen = rng.random(len(hit)) >= lost
    if camera.baseline > 0.0:
        points = pose[:3, 3] + unit[hit] * distance[hit, None]
        projector = pose[:3, 3] + camera.baseline * pose[:3, 0]
        seen &= ~caster.blocked(points, projector, 0.004)
    result = np.zeros(len(face), dtype=np.bool_)
    result[hit] = seen
    return result
