"""Rows of standing books that fill a shelf, mostly annotated as one thing."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.mesh import Mesh, merge, rotation_y
from clickseg3d_core.simulation.world import Item, Support

Rng = np.random.Generator
_SKINS = 7
_PAPER = _SKINS


def book_row(rng: Rng, length: float, height: float, depth: float, *, single: bool) -> Item:
    """Books or binders side by side along x, spines towards -y, standing on z = 0.

    Args:
        rng: Source of sizes and colors.
        length: Metres to fill at most.
        height: Free height in metres.
        depth: Depth of the shelf in metres.
        single: One instance for all books rather than one each.
    """
    tall = min(rng.uniform(0.17, 0.34), height * 0.95)
    alike = rng.random() < 0.35  # one series, or binders
    thick = rng.uniform(0.012, 0.06)
    parts: list[Mesh] = []
    x, number = 0.0, 0
    while x < length:
        w = thick if alike else float(rng.uniform(0.01, 0.055))
        h = tall if alike else tall * float(rng.uniform(0.7, 1.0))
        d = min(depth * 0.95, tall * float(rng.uniform(0.65, 0.8)))
        if x + w > length:
            break
        skin = int(rng.integers(_SKINS)) if not alike or rng.random() < 0.2 else 0
        one = _volume(w, h, d, skin)
        if not alike and rng.random() < 0.04 and x + w + 0.3 * h < length:
            lean = float(rng.uniform(0.1, 0.3))
            one = one.turned(rotation_y(lean)).lowered()
            w = float(one.vertices[:, 0].max() - one.vertices[:, 0].min())
        left = float(one.vertices[:, 0].min())
        recess = float(rng.uniform(0.0, 0.02))
        one = one.moved(x - left, recess - d / 2, 0.0)
        parts.append(one if single else one.as_part(number))
        x, number = x + w + float(rng.uniform(0.0005, 0.004)), number + 1
    if not parts:
        parts = [_volume(length * 0.9, tall, depth * 0.7, 0).moved(length / 2, -depth * 0.35, 0)]
        number = 1
    if single and rng.random() < 0.2 and height - tall > 0.05 and x > 0.2:
        flat = _volume(0.03, 0.2, depth * 0.8, 1).turned(rotation_y(np.pi / 2))
        parts.append(flat.moved(rng.uniform(0.0, x - 0.2), -depth * 0.4, tall + 0.031))
    covers = tuple(
        paint.package(rng, 0.15) if rng.random() < 0.4 else paint.plain(paint.anything(rng))
        for _ in range(_SKINS)
    )
    names = ("book",) * (1 if single else number)
    paper = paint.plain(paint.pale(rng))
    return Item(mesh=merge(parts), classes=names, materials=(*covers, paper))


def _volume(w: float, h: float, d: float, skin: int) -> Mesh:
    """One standing book: a cover and the paper's edge on top; its spine is at -d / 2."""
    block = shapes.box(w, d, h).painted(skin)
    edge = shapes.panel(w * 0.75, d * 0.9).moved(0.0, 0.01, h + 0.0005).painted(_PAPER)
    return merge([block, edge])


def shelved(support: Support, rng: Rng) -> list[tuple[Item, tuple[float, float, float]]]:
    """Rows for one board, and where each stands in the frame of the shelf.

    The board is full, or full from one end, or has a row at either end.
    """
    length, depth = support.size[0] * 0.97, support.size[1]
    if support.clearance < 0.14 or length < 0.15 or depth < 0.12:
        return []
    single = rng.random() < 0.65
    share = 1.0 if rng.random() < 0.4 else float(rng.uniform(0.2, 0.9))
    spans = [(-length / 2, share * length)]
    if share < 0.6 and rng.random() < 0.4:
        rest = float(rng.uniform(0.3, 0.9)) * (1.0 - share) * length
        spans.append((length / 2 - rest, rest))
    elif rng.random() < 0.5:
        spans = [(length / 2 - share * length, share * length)]
    front = support.center[1] - depth / 2 + float(rng.uniform(0.0, 0.4)) * depth
    rows = []
    for start, reach in spans:
        room = support.center[1] + depth / 2 - front
        row = book_row(rng, reach, support.clearance - 0.01, room, single=single)
        back = float(row.mesh.vertices[:, 1].min())
        rows.append((row, (support.center[0] + start, front - back, support.z)))
    return rows
