"""Which places of a wall are taken: a height map along the wall and up, 0 where it is free."""

from __future__ import annotations

from clickseg3d_core.simulation.stacking import HeightMap

Span = tuple[float, float]


def take(wall: HeightMap, along: Span, up: Span) -> bool:
    """Reserve a rectangle; False, and nothing changes, if some of it is taken.

    Args:
        wall: Its first side is along the wall and centered; the second begins at the floor.
        along: Metres from the wall's middle, from and to.
        up: Metres above the floor, from and to.
    """
    columns, rows = _cells(wall, along, up)
    if (wall.height[columns, rows] > 0.0).any():
        return False
    wall.height[columns, rows] = 1.0
    return True


def close(wall: HeightMap, along: Span, up: Span) -> None:
    """Reserve a rectangle, as `take` but whether or not it is free."""
    columns, rows = _cells(wall, along, up)
    wall.height[columns, rows] = 1.0


def _cells(wall: HeightMap, along: Span, up: Span) -> tuple[slice, slice]:
    half = wall.size[0] / 2
    columns, rows = (
        slice(max(int(low / wall.cell), 0), int(high / wall.cell) + 1)
        for low, high in ((along[0] + half, along[1] + half), up)
    )
    return columns, rows
