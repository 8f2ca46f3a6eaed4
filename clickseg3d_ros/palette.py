"""The color of an instance: of its id alone, so that it stays when others come and go."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.picture import object_colors
from clickseg3d_core.types import BACKGROUND_ID

_COLORS = 240


@cache
def palette() -> NDArray[np.uint8]:
    """All colors, (241, 3) red, green, blue; row 0 is the grey of the background."""
    colors = object_colors(list(range(1, _COLORS + 1)))
    return np.array([colors[number] for number in range(_COLORS + 1)], np.uint8)


def palette_rows(instance_ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """Which row of the palette each id (N,) has; ids 240 apart share one."""
    return np.where(instance_ids == BACKGROUND_ID, 0, (instance_ids - 1) % _COLORS + 1)


def instance_color(instance_id: int) -> tuple[int, int, int]:
    """Red, green, blue 0..255 of an id."""
    red, green, blue = palette()[palette_rows(np.array([instance_id]))[0]].tolist()
    return red, green, blue
