"""Primitive meshes. All stand on z = 0 with the footprint centered at the origin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clickseg3d_core.simulation.mesh import FloatArray, Mesh, from_arrays, merge

_CUBE = np.array([[x, y, z] for z in (0, 1) for y in (-0.5, 0.5) for x in (-0.5, 0.5)], dtype=float)
_CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
    + [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)


def box(x: float, y: float, z: float) -> Mesh:
    """A box of the given side lengths in metres."""
    return from_arrays(_CUBE * np.array([x, y, z]), _CUBE_FACES)


def panel(x: float, y: float) -> Mesh:
    """A flat rectangle in the plane z = 0."""
    corners = [[-x / 2, -y / 2, 0], [x / 2, -y / 2, 0], [x / 2, y / 2, 0], [-x / 2, y / 2, 0]]
    return from_arrays(corners, [[0, 1, 2], [0, 2, 3]])


def grid_faces(rows: int, columns: int, *, wrap: bool = False) -> NDArray[np.int32]:
    """(F, 3) int32 faces of a rows x columns vertex grid; `wrap` joins last to first column."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if wrap:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)


def lathe(profile: Sequence[Sequence[float]] | FloatArray, segments: int = 24) -> Mesh:
    """Turn a profile about z.

    Args:
        profile: (K, 2) radius and height in metres, along the outline.
        segments: Corners of the circle.
    """
    outline = np.asarray(profile, dtype=np.float64)
    angle = np.arange(segments) * (2.0 * np.pi / segments)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    vertices = np.empty((len(outline), segments, 3))
    vertices[..., :2] = outline[:, None, :1] * ring
    vertices[..., 2] = outline[:, None, 1]
    return from_arrays(vertices.reshape(-1, 3), grid_faces(len(outline), segments, wrap=True))


def cylinder(radius: float, height: float, segments: int = 24) -> Mesh:
    """A closed cylinder."""
    return lathe([[0, 0], [radius, 0], [radius, height], [0, height]], segments)


def cone(bottom: float, top: float, height: float, segments: int = 24) -> Mesh:
    """A closed truncated cone with a bottom and a top radius."""
    return lathe([[0, 0], [bottom, 0], [top, height], [0, height]], segments)


def vessel(outline: Sequence[tuple[float, float]], wall: float, segments: int = 24) -> Mesh:
    """An open hollow turned body.

    Args:
        outline: Outer (radius, height) pairs from the foot to the rim, metres.
        wall: Wall thickness in metres.
        segments: Corners of the circle.
    """
    outer = [(0.0, outline[0][1]), *outline]
    inner = [(max(r - wall, 0.001), max(h, outline[0][1] + wall)) for r, h in reversed(outline)]
    return lathe([*outer, *inner, (0.0, outline[0][1] + wall)], segments)


def superellipsoid(
    x: float, y: float, z: float, *, roundness: float = 1.0, rings: int = 12, segments: int = 20
) -> Mesh:
    """An ellipsoid (roundness 1) that becomes a rounded box as roundness goes to 0.

    x, y, z are full side lengths in metres. (Barr 1981, superquadrics.)
    """
    v = np.linspace(-np.pi / 2, np.pi / 2, rings)
    u = np.arange(segments) * (2.0 * np.pi / segments)

    def power(values: FloatArray) -> FloatArray:
        return np.asarray(np.sign(values) * np.abs(values) ** roundness)

    cv, sv, cu, su = power(np.cos(v)), power(np.sin(v)), power(np.cos(u)), power(np.sin(u))
    vertices = np.stack(
        [
            np.outer(cv, cu) * x / 2,
            np.outer(cv, su) * y / 2,
            np.repeat(sv[:, None], segments, 1) * z / 2 + z / 2,
        ],
        axis=-1,
    )
    return from_arrays(vertices.reshape(-1, 3), grid_faces(rings, segments, wrap=True))


def ellipsoid(x: float, y: float, z: float) -> Mesh:
    """An ellipsoid of full axes x, y, z."""
    return superellipsoid(x, y, z, roundness=1.0)


def rounded_box(x: float, y: float, z: float, roundness: float = 0.25) -> Mesh:
    """A box with soft edges and bulging sides (cushions, soap, devices)."""
    return superellipsoid(x, y, z, roundness=roundness, rings=14, segments=24)


def bevelled_box(x: float, y: float, z: float, bevel: float) -> Mesh:
    """A box whose vertical and top edges are cut by `bevel` metres."""
    b = min(bevel, 0.45 * min(x, y, z))
    hx, hy = x / 2, y / 2
    ring = np.array(
        [[hx, b - hy], [hx, hy - b], [hx - b, hy], [b - hx, hy]]
        + [[-hx, hy - b], [-hx, b - hy], [b - hx, -hy], [hx - b, -hy]]
    )
    return loft([(ring, 0.0), (ring, z - b), (ring * [(x - 2 * b) / x, (y - 2 * b) / y], z)])


def loft(sections: Sequence[tuple[FloatArray, float]]) -> Mesh:
    """Join outlines of equal corner count at rising heights, capped at both ends.

    Args:
        sections: ((C, 2) convex outline in metres, height) pairs.
    """
    count = len(sections[0][0])
    layers = [np.column_stack([ring, np.full(count, height)]) for ring, height in sections]
    first, last = layers[0].mean(axis=0), layers[-1].mean(axis=0)
    vertices = np.concatenate([np.tile(first, (count, 1)), *layers, np.tile(last, (count, 1))])
    return from_arrays(vertices, grid_faces(len(layers) + 2, count, wrap=True))


def prism(outline: ArrayLike, height: float) -> Mesh:
    """Extrude a star-shaped (C, 2) outline in metres by `height`."""
    ring = np.asarray(outline, dtype=np.float64)
    return loft([(ring, 0.0), (ring, height)])


def tube(path: ArrayLike, radius: float, segments: int = 8) -> Mesh:
    """A round rod along a (K, 3) path in metres."""
    points = np.asarray(path, dtype=np.float64)
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    helper = np.where(np.abs(tangent[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    side = np.cross(tangent, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-12
    other = np.cross(tangent, side)
    angle = np.arange(segments) * (2.0 * np.pi / segments)
    circle = side[:, None] * np.cos(angle)[:, None] + other[:, None] * np.sin(angle)[:, None]
    rings = points[:, None] + radius * circle
    stack = np.concatenate([np.tile(points[0], (1, segments, 1)), rings])
    stack = np.concatenate([stack, np.tile(points[-1], (1, segments, 1))])
    return from_arrays(stack.reshape(-1, 3), grid_faces(len(stack), segments, wrap=True))


def rod(start: ArrayLike, end: ArrayLike, radius: float, segments: int = 8) -> Mesh:
    """A straight round rod between two (3,) points in metres."""
    return tube(np.stack([np.asarray(start, float), np.asarray(end, float)]), radius, segments)


def torus(radius: float, thickness: float, arc: float = 2.0 * np.pi) -> Mesh:
    """A ring in the x-z plane, centered at the origin; `arc` radians of it."""
    angle = np.linspace(-arc / 2, arc / 2, 20)
    path = np.stack([np.cos(angle) * radius, np.zeros(20), np.sin(angle) * radius], axis=1)
    return tube(path, thickness)


def sheet(x: float, y: float, height: FloatArray) -> Mesh:
    """A height field over an x by y rectangle; height is (R, C) metres, rows along y."""
    rows, columns = height.shape
    gx, gy = np.meshgrid(np.linspace(-x / 2, x / 2, columns), np.linspace(-y / 2, y / 2, rows))
    vertices = np.stack([gx, gy, height], axis=-1).reshape(-1, 3)
    return from_arrays(vertices, grid_faces(rows, columns))


def legs(x: float, y: float, height: float, size: float, *, round_: bool = False) -> Mesh:
    """Four legs under the corners of an x by y rectangle."""
    one = cylinder(size / 2, height, 10) if round_ else box(size, size, height)
    dx, dy = x / 2 - size / 2, y / 2 - size / 2
    return merge([one.moved(i * dx, j * dy, 0.0) for i in (-1, 1) for j in (-1, 1)])
