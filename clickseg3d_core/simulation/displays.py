"""The same thing many times over, in rows: goods in a shop, cups in a cupboard, piles of books."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation.clutter import free_field, put_on
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, rotation_z
from clickseg3d_core.simulation.stacking import HeightMap, profile
from clickseg3d_core.simulation.world import Item, Support, WorldBuilder

Rng = np.random.Generator
_MOST = 40
_TOUCH = 0.004
_CELL = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class DisplayStyle:
    """How rows of one thing are laid out.

    Attributes:
        gap: Metres between neighbours, along and across.
        missing: Probability that a place is empty.
        askew: Standard deviation of a thing's turn about z, radians.
        pile: Things on each other at most.
        assorted: Whether each has a color of its own.
    """

    gap: tuple[float, float]
    missing: float = 0.0
    askew: float = 0.0
    pile: int = 1
    assorted: bool = False


def random_display(rng: Rng) -> DisplayStyle:
    """Draw a style: from touching rows to things well apart."""
    near, far = sorted(rng.choice([0.002, 0.01, 0.03, 0.08, 0.2], 2).tolist())
    gap = (near, far) if rng.random() < 0.5 else (far, near)
    return DisplayStyle(
        gap=gap,
        missing=float(rng.choice([0.0, 0.1, 0.4])),
        askew=float(rng.choice([0.0, 0.03, 0.15])) if near > 0.02 else 0.0,
        pile=int(rng.choice([1, 1, 1, 2, 4])),
        assorted=bool(rng.random() < 0.4),
    )


def small_thing(make: Callable[[Rng], Item], support: Support, rng: Rng) -> Item:
    """Draw a thing that fits on a support several times, if one of eight does."""
    item = make(rng)
    for _ in range(7):
        if item.mesh.extent[:2].max() < 0.45 * min(support.size):
            break
        item = make(rng)
    return item


def lay_out(
    builder: WorldBuilder,
    support: Support,
    frame: tuple[FloatArray, float],
    item: Item,
    rng: Rng,
    style: DisplayStyle,
    *,
    taken: Sequence[tuple[Mesh, FloatArray]] = (),
) -> int:
    """Put one thing many times on a support, in rows along and across it.

    Args:
        builder: Receives the things.
        support: Place in the item frame of its owner.
        frame: (3,) position in metres and yaw in radians of the owner in the world.
        item: The thing; it must rest as it is.
        rng: Source of the arrangement.
        style: How the rows look.
        taken: What stands there already: turned meshes and their (3,) places, owner frame.

    Returns:
        How many were placed, at most 40.
    """
    field = free_field(support, _CELL, taken, rng)
    turned = replace(
        item, mesh=item.mesh.turned(rotation_z(rng.integers(4) * np.pi / 2)).grounded(), supports=()
    )
    middle = (turned.mesh.vertices.min(axis=0) + turned.mesh.vertices.max(axis=0))[:2] / 2
    turned = replace(turned, mesh=turned.mesh.moved(-middle[0], -middle[1], 0.0))
    placed = 0
    for spot in _places(support, turned.mesh.extent[:2], style, rng):
        if placed >= _MOST:
            break
        if rng.random() < style.missing:
            continue
        # Rows keep clear of each other by themselves; cells of a map would not let them touch.
        own = replace(field, height=field.height.copy())
        for below in range(min(int(rng.integers(1, style.pile + 1)), _MOST - placed)):
            one = _askew(_colored(turned, rng) if style.assorted else turned, rng, style.askew)
            level = _rest(own, one, spot, rng, free=below == 0)
            if level is None:
                break
            put_on(builder, support, frame, one, np.array([*spot, level]))
            placed += 1
    return placed


def _places(
    support: Support, extent: FloatArray, style: DisplayStyle, rng: Rng
) -> list[tuple[float, float]]:
    """Places of a grid on a support, row by row; all, or its first rows from either side."""
    step = extent + np.array(style.gap)
    room = np.array(support.size) - extent
    if (room < 0.0).any():
        return []
    counts = (room / step).astype(int) + 1
    counts = rng.integers((counts + 1) // 2, counts + 1)
    spare = room - (counts - 1) * step
    start = -room / 2 + spare * rng.uniform(0.0, 1.0, 2)
    xs, ys = (start[i] + step[i] * np.arange(counts[i]) for i in (0, 1))
    return [(float(x), float(y)) for y in ys for x in xs]


def _colored(item: Item, rng: Rng) -> Item:
    """The item with another color on its main material."""
    if not item.materials:
        return item
    colors = np.tile(paint.anything(rng), (4, 1))
    return replace(item, materials=(replace(item.materials[0], colors=colors), *item.materials[1:]))


def _askew(item: Item, rng: Rng, askew: float) -> Item:
    turn = rotation_z(float(rng.normal(0.0, askew))) if askew else np.eye(3)
    return replace(item, mesh=item.mesh.turned(turn))


def _rest(
    field: HeightMap, item: Item, spot: tuple[float, float], rng: Rng, *, free: bool
) -> float | None:
    """Height at which the item rests, with the map raised by it; None if there is no place.

    With `free`, only the support itself is one.
    """
    shape = profile(item.mesh, field.cell, rng)
    level = field.rest(*spot, shape)
    if level is None or (free and level > _TOUCH):
        return None
    field.occupy(*spot, level, shape)
    return level
