"""Arranging small things on a flat place: apart, touching, stacked, leaning, in heaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation.mesh import (
    FloatArray,
    Mesh,
    rotation_x,
    rotation_y,
    rotation_z,
)
from clickseg3d_core.simulation.stacking import HeightMap, Profile, profile, slide
from clickseg3d_core.simulation.world import Item, Support, WorldBuilder

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class ClutterStyle:
    """How crowded a place is.

    Attributes:
        count: Things to try to place.
        stack: Probability that a thing is put on another thing.
        touch: Probability that a thing is pushed against another thing.
        topple: Probability that a thing is turned onto another side.
        heap: Probability that a thing is dropped at any tilt and rests as it falls.
    """

    count: int
    stack: float = 0.1
    touch: float = 0.25
    topple: float = 0.08
    heap: float = 0.0


def random_style(rng: Rng, most: int) -> ClutterStyle:
    """Draw a style: from a few things apart to a crowded heap of up to `most` things."""
    kind = rng.choice(4, p=[0.3, 0.3, 0.22, 0.18])
    most = max(most // 2, 2) if kind < 2 else most
    count = int(rng.integers(max(1, most // 6), most + 1))
    if kind == 0:
        return ClutterStyle(count=count, stack=0.03, touch=0.15)
    if kind == 1:
        return ClutterStyle(count=count, stack=0.45, touch=0.35)
    if kind == 2:
        return ClutterStyle(count=count, stack=0.12, touch=0.6, topple=0.15)
    return ClutterStyle(count=count, stack=0.4, touch=0.3, topple=0.2, heap=0.45)


def tilted(item: Item, rng: Rng, style: ClutterStyle) -> tuple[Item, bool]:
    """Turn an item by its style; also whether it must rest stably."""
    yaw = rotation_z(rng.uniform(0.0, 2.0 * np.pi))
    heap = rng.random() < style.heap
    if heap:
        yaw = yaw @ rotation_x(rng.normal(0, 0.5)) @ rotation_y(rng.normal(0, 0.5))
    elif rng.random() < style.topple:
        turn = rotation_x if rng.random() < 0.5 else rotation_y
        yaw = yaw @ turn(np.pi / 2 * (1 if rng.random() < 0.5 else -1))
    return replace(item, mesh=item.mesh.turned(yaw).grounded(), supports=()), not heap


def _spot(field: HeightMap, shape: Profile, rng: Rng, style: ClutterStyle) -> FloatArray:
    """(2,) place to try: on something, against something, or anywhere."""
    half = np.array(field.size) / 2.0
    anywhere = np.asarray(rng.uniform(-half, half))
    high = np.argwhere(field.height > 0.01)
    mode = rng.random()
    if not len(high) or mode > style.stack + style.touch:
        return anywhere
    cell = high[int(rng.integers(len(high)))]
    target = (cell - np.array(field.height.shape) / 2.0 + 0.5) * field.cell
    if mode < style.stack:
        return np.asarray(target - shape.balance * field.cell)
    away = anywhere - target
    step = -away / (np.linalg.norm(away) + 1e-9) * field.cell
    z = field.rest(anywhere[0], anywhere[1], shape)
    return anywhere if z is None or z > 0.003 else slide(field, shape, anywhere, step, z)


def place_one(
    field: HeightMap, item: Item, rng: Rng, style: ClutterStyle, *, tries: int = 18
) -> tuple[Mesh, FloatArray] | None:
    """Find a rest for one item.

    Returns:
        Its turned mesh and the (3,) position in the field's frame, or None if there is no room.
    """
    turned, stable = tilted(item, rng, style)
    shape = profile(turned.mesh, field.cell, rng)
    for attempt in range(tries):
        x, y = _spot(field, shape, rng, style)
        z = field.rest(x, y, shape, stable=stable)
        on_top = z is not None and z > 0.004
        if z is None or (on_top and style.stack < rng.random() and attempt < tries - 1):
            continue
        if on_top and style.stack == 0.0:
            continue
        field.occupy(x, y, z, shape)
        return turned.mesh, np.array([x, y, z])
    return None


def free_field(
    support: Support, cell: float, taken: Sequence[tuple[Mesh, FloatArray]], rng: Rng
) -> HeightMap:
    """Height map of a support with what stands there already, as in `fill`."""
    field = HeightMap.flat(support.size, cell, support.clearance)
    for mesh, spot in taken:
        if abs(spot[2] - support.z) < 0.05:
            x, y = spot[:2] - np.array(support.center)
            field.occupy(x, y, 0.0, profile(mesh, cell, rng))
    return field


def put_on(
    builder: WorldBuilder,
    support: Support,
    frame: tuple[FloatArray, float],
    item: Item,
    local: FloatArray,
) -> None:
    """Add an item at the (3,) place `local`, from the middle of a support; `frame` as in `fill`."""
    position, yaw = frame
    offset = local + np.array([*support.center, support.z])
    builder.add(item, position + rotation_z(yaw) @ offset, yaw)


def fill(
    builder: WorldBuilder,
    support: Support,
    frame: tuple[FloatArray, float],
    make: Callable[[Rng], Item],
    rng: Rng,
    style: ClutterStyle,
    *,
    cell: float = 0.01,
    taken: Sequence[tuple[Mesh, FloatArray]] = (),
) -> int:
    """Put things on a support.

    Args:
        builder: Receives the things.
        support: Place in the item frame of its owner.
        frame: (3,) position in metres and yaw in radians of the owner in the world.
        make: Draws one thing.
        rng: Source of the arrangement.
        style: How crowded.
        cell: Resolution of the height map in metres.
        taken: What stands there already: turned meshes and their (3,) places, owner frame.

    Returns:
        How many things were placed.
    """
    field = free_field(support, cell, taken, rng)
    placed = 0
    for _ in range(style.count):
        item = make(rng)
        if item.mesh.extent[:2].max() > 1.1 * max(support.size):
            continue
        found = place_one(field, item, rng, style)
        if found is None:
            continue
        mesh, local = found
        put_on(builder, support, frame, replace(item, mesh=mesh, supports=()), local)
        placed += 1
    return placed
