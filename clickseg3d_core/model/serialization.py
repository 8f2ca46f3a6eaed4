"""Space-filling curves: one integer per voxel, so that near integers are near voxels.

The Hilbert code follows J. Skilling, "Programming the Hilbert curve", AIP Conf. Proc. 707 (2004);
the four orders are those of Point Transformer V3 (Wu et al., CVPR 2024, section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from clickseg3d_core.errors import ConfigError

CURVES = ("z", "z-trans", "hilbert", "hilbert-trans")

# Spreads 16 bits three apart: shift left by the first, keep the bits of the second.
_SPREAD = (
    (16, 0x0000FF0000FF),
    (8, 0x00F00F00F00F),
    (4, 0x0C30C30C30C3),
    (2, 0x249249249249),
)


def curve_codes(coords: Tensor, order: str, depth: int) -> Tensor:
    """Position of each voxel along one curve through the cube of side 2**depth.

    Args:
        coords: (V, 3) integer voxel indices, 0 <= index < 2**depth.
        order: One of `CURVES`; the "-trans" curves swap x and y first.
        depth: Bits per axis, 1..16.

    Returns:
        (V,) int64 codes in 0..8**depth - 1.

    Raises:
        ConfigError: if the order is unknown or the depth out of range.
    """
    if order not in CURVES:
        raise ConfigError(f"a serialization order is one of {', '.join(CURVES)}, got {order!r}")
    if not 1 <= depth <= 16:
        raise ConfigError(f"the depth of a curve must be 1..16 bits per axis, got {depth}")
    columns = (1, 0, 2) if order.endswith("-trans") else (0, 1, 2)
    x, y, z = (coords[:, column].to(torch.int32) for column in columns)
    return hilbert_code(x, y, z, depth) if order.startswith("hilbert") else z_code(x, y, z)


def z_code(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Interleave the bits of three (V,) int32 indices below 2**16 into (V,) int64, x highest."""
    return (_spread(x) << 2) | (_spread(y) << 1) | _spread(z)


def _spread(index: Tensor) -> Tensor:
    bits = index.to(torch.int64)
    for shift, mask in _SPREAD:
        bits = (bits | (bits << shift)) & mask
    return bits


def hilbert_code(x: Tensor, y: Tensor, z: Tensor, depth: int) -> Tensor:
    """Hilbert position of three (V,) int32 indices below 2**depth as (V,) int64.

    Works on whole indices: an undo of the curve's reflections from the highest bit down, then the
    interleaved Gray code is turned into a number by a prefix exclusive-or.
    """
    x, y, z = x.clone(), y.clone(), z.clone()
    for bit in range(depth - 1, 0, -1):
        low = (1 << bit) - 1
        x ^= _all_ones_where_set(x, bit) & low
        for other in (y, z):
            is_set = _all_ones_where_set(other, bit)
            exchange = (x ^ other) & ~is_set & low
            x ^= (is_set & low) | exchange
            other ^= exchange
    code = z_code(x, y, z)
    shift = 1
    while shift < 3 * depth:
        code ^= code >> shift
        shift *= 2
    return code


def _all_ones_where_set(index: Tensor, bit: int) -> Tensor:
    return (index << (31 - bit)) >> 31


def fixed_depth(largest_index: int) -> int:
    """The cheapest depth that orders voxels like depth 16 does.

    Every leading zero bit turns the Hilbert curve by a third of a full turn, so three more levels
    change no code: depths 1, 4, 7, 10, 13 and 16 agree wherever they are deep enough.
    """
    depth = max(1, largest_index.bit_length())
    return depth + (16 - depth) % 3
