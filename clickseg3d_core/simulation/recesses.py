"""Walls that are no single plane: doors and windows set back into them, and niches.

In most houses an opening lies some decimetres deep in its wall. What a scanner sees of a wall is
then broken up by steps that do not end it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.fixtures import door, upright, window
from clickseg3d_core.simulation.mesh import Mesh, merge
from clickseg3d_core.simulation.openings import blind, flush_door, joined
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator

# Turns a panel of the plane z = 0 upright, facing x: its x side goes along y, its y side up.
SIDEWAYS = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

_MARGIN = 0.15
_DEEP = (0.04, 0.35)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recess:
    """A box let into a wall.

    Attributes:
        middle: Metres from the wall's middle, along it.
        wide: Metres.
        low: Height of its lower edge in metres.
        high: Height of its upper edge.
        deep: Metres.
        kind: "door", "window" or "niche", which has a back of wall.
    """

    middle: float
    wide: float
    low: float
    high: float
    deep: float
    kind: str


def random_recesses(length: float, z: float, rng: Rng) -> list[Recess]:
    """Up to three on a wall of so many metres, from left to right, clear of each other."""
    found: list[Recess] = []
    for _ in range(int(rng.integers(1, 4))):
        kind = str(rng.choice(["door", "window", "niche"], p=[0.4, 0.45, 0.15]))
        wide = float({"door": rng.uniform(0.7, 1.1), "window": rng.uniform(0.6, 2.2)}.get(
            kind, rng.uniform(0.3, 1.5)))  # fmt: skip
        low = 0.0 if kind == "door" else float(rng.uniform(0.0 if kind == "niche" else 0.4, 1.1))
        top = rng.uniform(1.95, 2.2) if kind == "door" else low + rng.uniform(0.5, 1.6)
        free = (length - wide) / 2 - _MARGIN
        high = float(min(top, z - 0.08))
        if free <= 0.0 or high - low < 0.3:
            continue
        middle = float(rng.uniform(-free, free))
        if any(abs(middle - r.middle) < (wide + r.wide) / 2 + _MARGIN for r in found):
            continue
        deep = float(rng.uniform(*_DEEP))
        found.append(Recess(middle=middle, wide=wide, low=low, high=high, deep=deep, kind=kind))
    return sorted(found, key=lambda recess: recess.middle)


def pierced_wall(length: float, z: float, openings: list[Recess]) -> list[Mesh]:
    """Panels in the plane y = 0 around openings from left to right; their depth is not read."""
    edges = [-length / 2, *(x for r in openings for x in _ends(r)), length / 2]
    parts = [
        upright(right - left, z, 0.0).moved((left + right) / 2, 0, 0)
        for left, right in zip(edges[::2], edges[1::2], strict=True)
    ]
    for r in openings:
        parts.append(upright(r.wide, z - r.high, 0.0).moved(r.middle, 0, r.high))
        if r.low > 0.0:
            parts.append(upright(r.wide, r.low, 0.0).moved(r.middle, 0, 0))
    return parts


def recessed_wall(length: float, z: float, recesses: list[Recess]) -> Mesh:
    """A wall in the plane y = 0 with the sides of its recesses, which go to +y."""
    parts = pierced_wall(length, z, recesses)
    for r in recesses:
        tall = r.high - r.low
        level = shapes.panel(r.wide, r.deep).moved(r.middle, r.deep / 2, 0)
        side = shapes.panel(r.deep, tall).turned(SIDEWAYS)
        parts += [level.moved(0, 0, edge) for edge in (r.low, r.high) if edge > 0.0]
        parts += [side.moved(x, r.deep / 2, r.low + tall / 2) for x in _ends(r)]
        if r.kind == "niche":
            parts.append(upright(r.wide, tall, r.deep).moved(r.middle, 0, r.low))
    return merge(parts)


def filling(recess: Recess, rng: Rng) -> Item | None:
    """The door or window at the back, its foot at the origin; None for a niche."""
    if recess.kind == "niche":
        return None
    if recess.kind == "door":
        return _fitted((door if rng.random() < 0.4 else flush_door)(rng), recess)
    pane = _fitted(window(rng), recess)
    if rng.random() > 0.3:
        return pane
    cover = blind(rng, 0.96 * recess.wide, 0.98 * (recess.high - recess.low))
    return joined([(pane, (0.0, 0.0, 0.0)), (cover, (0.0, -min(0.06, recess.deep), 0.0))])


def _fitted(item: Item, recess: Recess) -> Item:
    """Stretched to the opening; what lies below its foot, as a window sill does, may stick out."""
    standing = item.mesh.vertices[item.mesh.vertices[:, 2] > 0.001]
    left, right, top = standing[:, 0].min(), standing[:, 0].max(), standing[:, 2].max()
    across, up = recess.wide / (right - left), (recess.high - recess.low) / top
    mesh = item.mesh.moved(-(left + right) / 2, 0, 0).scaled(across, 1.0, up)
    return replace(item, mesh=mesh, supports=())


def _ends(recess: Recess) -> tuple[float, float]:
    return recess.middle - recess.wide / 2, recess.middle + recess.wide / 2
