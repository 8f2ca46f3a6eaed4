"""Cars, vans, trucks, buses, trailers and two-wheelers, as parametric meshes along x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.goods import item
from clickseg3d_core.simulation.mesh import FloatArray, Mesh, from_arrays, merge, rotation_x
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyStyle:
    """Proportions of a car body.

    Attributes:
        length: Shortest and longest, metres.
        width: Narrowest and widest, metres.
        height: Lowest and highest, metres.
        outline: (share of the length from the front, share of the height) corners of the roof line.
        waist: Share of the height where windows begin.
        weight: How common.
    """

    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]
    outline: tuple[tuple[float, float], ...]
    waist: float
    weight: float


STYLES: tuple[BodyStyle, ...] = (
    BodyStyle(  # sedan
        length=(4.3, 5.0), width=(1.72, 1.9), height=(1.4, 1.5), waist=0.63, weight=0.22,
        outline=((0.0, 0.44), (0.03, 0.52), (0.25, 0.63), (0.42, 0.97), (0.55, 1.0), (0.7, 0.96),
                 (0.86, 0.7), (0.97, 0.67), (1.0, 0.5)),
    ),
    BodyStyle(  # hatchback
        length=(3.5, 4.4), width=(1.62, 1.85), height=(1.42, 1.6), waist=0.6, weight=0.3,
        outline=((0.0, 0.42), (0.04, 0.52), (0.24, 0.62), (0.42, 0.97), (0.6, 1.0), (0.85, 0.93),
                 (0.96, 0.62), (1.0, 0.45)),
    ),
    BodyStyle(  # estate
        length=(4.3, 4.95), width=(1.75, 1.9), height=(1.43, 1.55), waist=0.62, weight=0.15,
        outline=((0.0, 0.43), (0.03, 0.53), (0.26, 0.62), (0.42, 0.97), (0.6, 1.0), (0.9, 0.93),
                 (0.98, 0.62), (1.0, 0.45)),
    ),
    BodyStyle(  # off-roader
        length=(4.2, 5.0), width=(1.8, 2.0), height=(1.62, 1.9), waist=0.6, weight=0.14,
        outline=((0.0, 0.45), (0.03, 0.57), (0.25, 0.63), (0.38, 0.97), (0.6, 1.0), (0.92, 0.96),
                 (0.98, 0.62), (1.0, 0.45)),
    ),
    BodyStyle(  # van
        length=(4.4, 6.2), width=(1.85, 2.1), height=(1.85, 2.7), waist=0.55, weight=0.12,
        outline=((0.0, 0.35), (0.03, 0.44), (0.12, 0.52), (0.26, 0.95), (0.35, 1.0), (0.97, 0.99),
                 (0.995, 0.6), (1.0, 0.4)),
    ),
    BodyStyle(  # pick-up
        length=(4.9, 5.6), width=(1.8, 2.0), height=(1.65, 1.85), waist=0.62, weight=0.05,
        outline=((0.0, 0.45), (0.03, 0.57), (0.24, 0.62), (0.33, 0.97), (0.5, 1.0), (0.58, 0.95),
                 (0.61, 0.6), (0.99, 0.6), (1.0, 0.4)),
    ),
    BodyStyle(  # small city car
        length=(2.7, 3.5), width=(1.5, 1.66), height=(1.45, 1.58), waist=0.58, weight=0.06,
        outline=((0.0, 0.4), (0.05, 0.55), (0.2, 0.62), (0.4, 0.98), (0.7, 1.0), (0.93, 0.9),
                 (0.99, 0.6), (1.0, 0.4)),
    ),
)  # fmt: skip


def car(rng: Rng) -> Item:
    """A passenger car or van: rounded body, windows, wheels, mirrors."""
    weights = np.array([s.weight for s in STYLES])
    style = STYLES[int(rng.choice(len(STYLES), p=weights / weights.sum()))]
    length, width = rng.uniform(*style.length), rng.uniform(*style.width)
    height = rng.uniform(*style.height)
    body = car_body(style, length, width, height, rng)
    wheel = rng.uniform(0.28, 0.34) * (1.15 if height > 1.6 else 1.0)
    parts = [body, *wheels(length, width, wheel, rng.uniform(0.28, 0.32))]
    for s in (-1, 1):
        mirror = shapes.ellipsoid(0.12, 0.2, 0.14)
        parts.append(mirror.moved(length * 0.18, s * (width / 2 + 0.08), height * style.waist))
    if rng.random() < 0.12:
        rails = [shapes.box(length * 0.35, 0.04, 0.06).moved(-length * 0.1, s * 0.5, height - 0.02)
                 for s in (-1, 1)]  # fmt: skip
        parts += [m.painted(2) for m in rails]
    return item(merge(parts), "vehicle", *skins(rng))


def skins(rng: Rng) -> tuple[paint.Material, ...]:
    """Paint, glass that most laser pulses pass, and rubber."""
    tone = rng.random()
    color = paint.gray(rng) if tone < 0.35 else paint.dark(rng) if tone < 0.55 else None
    color = paint.pale(rng) if color is None and tone < 0.75 else color
    color = paint.vivid(rng) if color is None else color
    return (
        paint.plain(color, dropout=rng.uniform(0.0, 0.25)),
        paint.plain(paint.dark(rng), dropout=rng.uniform(0.3, 0.95)),
        paint.plain(paint.dark(rng), dropout=rng.uniform(0.0, 0.2)),
    )


def car_body(style: BodyStyle, length: float, width: float, height: float, rng: Rng) -> Mesh:
    """A lofted body whose front is at +x; windows are slot 1, the sill is slot 2."""
    corners = np.array(style.outline)
    corners[1:-1] += rng.normal(0.0, 0.012, (len(corners) - 2, 2))
    share = np.unique(np.concatenate([np.linspace(0.0, 1.0, 15), corners[:, 0].clip(0, 1)]))
    order = np.argsort(corners[:, 0])
    top = np.interp(share, corners[order, 0], corners[order, 1]) * height
    plan = 1.0 - 0.16 * np.abs(2.0 * share - 1.0) ** 4 - 0.12 * (np.abs(2.0 * share - 1.0) > 0.985)
    half = plan * width / 2
    waist = np.minimum(style.waist * height, top)
    glassy = top - waist > 0.13 * height
    inset = half * (0.97 - 0.32 * np.clip(top - waist, 0.0, 0.6) / max(height, 1.0))
    low = 0.2 + 0.02 * (height > 1.6)
    side = [
        (half * 0.0, np.full_like(top, low)), (half * 0.86, np.full_like(top, low)),
        (half, np.full_like(top, low + 0.1)), (half * 1.0, waist * 0.75), (half * 0.97, waist),
        (inset, np.maximum(top - 0.06, waist)), (inset * 0.82, top), (inset * 0.0, top),
    ]  # fmt: skip
    ring = [*side, *[(-y, z) for y, z in reversed(side[1:-1])]]
    grid = np.stack(
        [np.stack([np.full(len(ring), (0.5 - s) * length), [y[i] for y, _ in ring],
                   [z[i] for _, z in ring]], axis=1) for i, s in enumerate(share)]
    )  # fmt: skip
    ends = [np.tile(grid[k].mean(axis=0), (1, len(ring), 1)) for k in (0, -1)]
    mesh = from_arrays(
        np.concatenate([ends[0], grid, ends[1]]).reshape(-1, 3),
        shapes.grid_faces(len(grid) + 2, len(ring), wrap=True),
    )
    return _glazed(mesh, len(ring), glassy, top / height, rng)


def _glazed(mesh: Mesh, ring: int, glassy: np.ndarray, top: FloatArray, rng: Rng) -> Mesh:
    """Paint windows: side faces of the cabin, and the steep upper faces before and behind it."""
    face = np.arange(len(mesh.faces)) % (len(mesh.faces) // 2)
    station, column = face // ring - 1, face % ring
    inner = (station >= 0) & (station < len(glassy) - 1)
    at = np.clip(station, 0, len(glassy) - 2)
    sides = (column == 4) | (column == ring - 5)
    upper = ((column >= 5) & (column <= ring - 6)) | sides
    steep = np.abs(top[at + 1] - top[at]) > 0.035
    high = np.maximum(top[at + 1], top[at]) > 0.75
    cabin = glassy[at] & glassy[at + 1]
    blind = rng.random() < 0.3 and top.mean() > 0.85  # panel vans have no windows behind
    back = at > len(glassy) * 0.45
    glass = inner & ((sides & cabin & ~(blind & back)) | (upper & steep & high))
    slot = np.where(glass, 1, np.where((column <= 1) | (column >= ring - 2), 2, 0))
    return Mesh(
        vertices=mesh.vertices, faces=mesh.faces, slot=slot.astype(np.int32), part=mesh.part,
        tint=mesh.tint,
    )  # fmt: skip


def wheels(length: float, width: float, radius: float, at: float) -> list[Mesh]:
    """Two axles of wheels (slot 2) at `at` of the length from the middle."""
    tire = shapes.cylinder(radius, 0.2, 16).turned(rotation_x(np.pi / 2)).painted(2)
    return [
        tire.moved(a * length * at, b * (width / 2 - 0.06) + 0.1, radius)
        for a in (-1, 1)
        for b in (-1, 1)
    ]


def truck(rng: Rng) -> Item:
    """A lorry: cab, and a box, flat bed or tipper."""
    length, width = rng.uniform(5.5, 10.0), rng.uniform(2.1, 2.5)
    cab, tall = rng.uniform(1.6, 2.3), rng.uniform(2.4, 3.2)
    nose = shapes.bevelled_box(cab, width, tall - 0.5, 0.12).moved(length / 2 - cab / 2, 0, 0.5)
    pane = shapes.box(0.04, width * 0.85, tall * 0.28).moved(length / 2, 0, tall * 0.6).painted(1)
    frame = shapes.box(length - 0.3, width * 0.5, 0.25).moved(0, 0, 0.55).painted(2)
    bed = length - cab - rng.uniform(0.1, 0.4)
    load = (
        shapes.box(bed, width, rng.uniform(1.8, 2.6)),
        shapes.box(bed, width, 0.18),
        shapes.bevelled_box(bed, width, rng.uniform(0.7, 1.3), 0.2),
    )[int(rng.choice(3, p=[0.6, 0.2, 0.2]))]
    parts = [nose, pane, frame, load.moved(-(length - bed) / 2, 0, 0.9).painted(3)]
    parts += wheels(length, width, rng.uniform(0.4, 0.5), 0.36)
    return item(merge(parts), "vehicle", *skins(rng), paint.coating(rng))


def bus(rng: Rng) -> Item:
    """A bus or tram."""
    length, width, tall = rng.uniform(8.0, 14.0), 2.5, rng.uniform(2.8, 3.3)
    body = shapes.bevelled_box(length, width, tall - 0.35, 0.15).moved(0, 0, 0.35)
    glass = [
        shapes.box(length * 0.92, 0.03, tall * 0.34).moved(0, s * width / 2, tall * 0.48).painted(1)
        for s in (-1, 1)
    ]
    front = shapes.box(0.03, width * 0.9, tall * 0.45).moved(length / 2, 0, tall * 0.4).painted(1)
    parts = [body, *glass, front, *wheels(length, width, 0.48, 0.3)]
    return item(merge(parts), "vehicle", *skins(rng))


def trailer(rng: Rng) -> Item:
    """A caravan, box trailer or open trailer with its drawbar."""
    length, width = rng.uniform(2.0, 5.0), rng.uniform(1.4, 2.2)
    tall = rng.uniform(1.6, 2.2) if rng.random() < 0.6 else rng.uniform(0.4, 0.7)
    body = shapes.bevelled_box(length, width, tall, 0.15 if tall > 1 else 0.02).moved(0, 0, 0.45)
    bar = shapes.rod([length / 2, 0, 0.45], [length / 2 + 1.0, 0, 0.4], 0.05).painted(2)
    pair = wheels(0.0, width, 0.3, 0.0)[:2]
    return item(merge([body, bar, *pair]), "vehicle", *skins(rng))


def rods(joints: Sequence[Sequence[float]], pairs: Sequence[tuple[int, int]], r: float) -> Mesh:
    """Rods of radius `r` metres between pairs of joints."""
    return merge([shapes.rod(joints[a], joints[b], r) for a, b in pairs])


def two_wheeler(rng: Rng) -> Item:
    """A bicycle, scooter or motorcycle, some with a rider (an instance of its own)."""
    motor = rng.random() < 0.4
    r = rng.uniform(0.24, 0.32) if motor else rng.uniform(0.29, 0.36)
    gap = rng.uniform(1.2, 1.45) if motor else rng.uniform(0.95, 1.12)
    tire = rng.uniform(0.04, 0.07) if motor else rng.uniform(0.016, 0.03)
    parts: list[Mesh] = [shapes.torus(r, tire).moved(s * gap / 2, 0, r) for s in (-1, 1)]
    seat, bar = rng.uniform(0.75, 0.95), rng.uniform(0.95, 1.1)
    joints = [
        [-gap / 2, 0, r], [-0.12, 0, 0.28], [gap * 0.32, 0, bar - 0.15], [-0.28, 0, seat - 0.1],
        [gap / 2, 0, r], [gap * 0.29, 0, bar], [-0.3, 0, seat],
    ]  # fmt: skip
    pairs = ((0, 1), (1, 2), (1, 3), (2, 3), (0, 3), (2, 4), (2, 5), (3, 6))
    parts.append(rods(joints, pairs, rng.uniform(0.014, 0.03)).painted(1))
    wide = rng.uniform(0.22, 0.34)
    parts.append(shapes.rod([gap * 0.27, -wide, bar], [gap * 0.27, wide, bar], 0.014).painted(1))
    parts.append(shapes.ellipsoid(0.28, 0.16, 0.08).moved(-0.3, 0, seat))
    if motor:
        parts.append(shapes.ellipsoid(gap * 0.75, 0.32, 0.45).moved(0, 0, 0.25).painted(1))
        parts.append(shapes.ellipsoid(0.5, 0.28, 0.28).moved(0.1, 0, seat - 0.22).painted(2))
    elif rng.random() < 0.5:
        parts.append(
            shapes.box(0.32, 0.12, 0.02).moved(-gap / 2 - 0.05, 0, 2 * r + 0.05).painted(1)
        )
        parts += [
            shapes.torus(r + 0.03, 0.012, 2.6).turned(_UP).moved(s * gap / 2, 0, r).painted(1)
            for s in (-1, 1)
        ]
    classes = ["vehicle"]
    if rng.random() < 0.25:
        parts.append(rider(seat, gap * 0.27, bar, rng).as_part(1))
        classes.append("person")
    coats = (paint.plain(paint.dark(rng)), paint.coating(rng), paint.coating(rng))
    clothes = (paint.fabric(rng), paint.fabric(rng), paint.plain(paint.woody(rng)))
    mesh = merge(parts)
    return Item(mesh=mesh.grounded(), classes=tuple(classes), materials=(*coats, *clothes))


_UP = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def rider(seat: float, reach: float, bar: float, rng: Rng) -> Mesh:
    """A seated person with hands on a bar; slots 3 shirt, 4 trousers, 5 head."""
    lean = rng.uniform(0.05, 0.3)
    hip, neck = np.array([-0.28, 0.0, seat + 0.06]), np.array([-0.28 + lean, 0.0, seat + 0.58])
    parts = [shapes.rod(hip, neck, 0.14, 10).painted(3)]
    head = shapes.ellipsoid(0.2, 0.17, 0.26).moved(neck[0] + 0.03, 0.0, neck[2] + 0.06)
    parts.append(head.painted(5))
    for s in (-1, 1):
        shoulder, hand = neck + [0, s * 0.19, -0.06], np.array([reach, s * 0.25, bar])
        elbow = (shoulder + hand) / 2 + [0, s * 0.06, -0.08]
        parts.append(shapes.tube([shoulder, elbow, hand], 0.045).painted(3))
        knee = np.array([0.12, s * 0.12, seat - 0.12 + rng.uniform(-0.12, 0.1)])
        foot = np.array([-0.05 + rng.uniform(-0.1, 0.1), s * 0.14, rng.uniform(0.15, 0.4)])
        parts.append(shapes.tube([hip + [0, s * 0.09, 0], knee, foot], 0.07).painted(4))
    return merge(parts)
