"""Colors of files as uint8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.io.record import Array


def to_uint8(color: Array) -> NDArray[np.uint8]:
    """Bring colors of any scale to 0..255.

    Args:
        color: (N, 3). Floats up to 1 are fractions, larger ones 0..255; integers up to 255 are
            taken as they are, larger ones as 16 bit. NaN becomes 0.

    Returns:
        (N, 3) uint8.
    """
    if color.dtype == np.uint8:
        return np.ascontiguousarray(color, dtype=np.uint8)
    if color.dtype.kind == "f":
        values = np.nan_to_num(color.astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
    else:
        values = color.astype(np.float64)
        scale = 255.0 / 65535.0 if values.size and values.max() > 255 else 1.0
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
