"""Furniture as people arrange it: dining sets, workplaces, kitchens, baths, beds, living rooms."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.simulation import (
    appliances,
    bathroom,
    cabinets,
    chairs,
    couches,
    fixtures,
    furniture,
    gadgets,
    seating,
    tables,
)
from clickseg3d_core.simulation.grouping import (
    Chairs,
    Group,
    GroupMaker,
    Piece,
    alike,
    around,
    at,
    backed,
    fit_width,
    half_width,
    in_a_row,
    seats_of,
    shifted,
)
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator


def dining(rng: Rng, room: float) -> Group:
    """A table with up to ten chairs, mostly of one kind."""
    table = tables.dining_table(rng, room)
    make: Chairs = seating.table_chair
    if rng.random() < 0.85:
        make = alike(seating.table_chair, rng)
    return around(table, seats_of(table, rng, rng.uniform(0.55, 1.0)), rng, make)


def on_desk(desk: Item, rng: Rng) -> Group:
    """Screens with keyboard and mouse on the desk, which is piece 0 at the origin."""
    x, y, _ = desk.mesh.extent
    top = float(max(s.z for s in desk.supports))
    group = []
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.34, 0.06]))
    make = alike(gadgets.monitor, rng)
    screen = make(rng)
    wide = screen.mesh.extent[0] + 0.03
    count = max(1, min(count, int(x * 0.95 / wide)))
    middle = rng.uniform(-0.5, 0.5) * max(x * 0.94 - count * wide, 0.0)
    for k in range(count):
        shift = (k - (count - 1) / 2) * wide
        turn = -0.35 * shift + rng.normal(0, 0.05)
        back = y / 2 - screen.mesh.vertices[:, 1].max() - 0.06
        group.append((make(rng), middle + shift, back - 0.1 * abs(shift), turn))
    front = -y / 2 + 0.16 + rng.uniform(0, 0.1)
    board = gadgets.keyboard(rng)
    group.append((board, middle, front, rng.normal(0, 0.08)))
    beside = middle + board.mesh.extent[0] / 2 + 0.09
    group.append((gadgets.mouse(rng), min(beside, x / 2 - 0.06), front, rng.normal(0, 0.3)))
    return [
        Piece(item=i, place=np.array([a, b, top]), yaw=float(t), owner=0) for i, a, b, t in group
    ]


def workplace(rng: Rng, room: float, desk: Item | None = None, seat: Chairs | None = None) -> Group:
    """A desk at the wall with screen, keyboard and chair."""
    desk = furniture.desk(rng) if desk is None else desk
    make = seat or (seating.office_chair if rng.random() < 0.75 else seating.table_chair)
    group = around(desk, [(0.0, rng.normal(0, 0.08))], rng, make)
    if rng.random() < 0.8:
        group += on_desk(desk, rng)
    if rng.random() < 0.15:
        group = [p for p in group if p.item.classes[0] != "chair" and p.owner in (None, 0)]
    return shifted(group, 0.0, -desk.mesh.vertices[:, 1].max() - 0.01)


def desk_row(rng: Rng, room: float) -> Group:
    """Two to four like desks side by side, sometimes two rows face to face."""
    desk, seat = alike(tables.plain_desk, rng), alike(seating.office_chair, rng)
    wide = float(desk(rng).mesh.extent[0]) + (0.0 if rng.random() < 0.6 else rng.uniform(0, 0.3))
    count = int(np.clip(rng.integers(2, 5), 1, max(1, int(room / wide))))
    double = rng.random() < 0.5
    group: Group = []
    for k in range(count):
        for side in (0.0, np.pi)[: 1 + double]:
            one = workplace(rng, room, desk(rng), seat)
            shift = (k - (count - 1) / 2) * wide
            group += shifted(one, shift, 0.0, side, base=len(group))
    return group


def kitchen(rng: Rng, room: float) -> Group:
    """Counters and appliances in a row with hanging cabinets above, things standing on them."""
    makers = (furniture.counter, appliances.fridge, appliances.stove, appliances.washer)
    items: list[Item] = []
    left = min(room, rng.uniform(1.8, 5.0))
    style = rng.integers(2**31)
    while left > 0.5 and len(items) < 6:
        kind = 0 if not items else int(rng.choice(4, p=[0.45, 0.2, 0.25, 0.1]))
        item = makers[kind](np.random.default_rng(style) if kind == 0 else rng)
        style += int(kind == 0)
        left -= item.mesh.extent[0] + 0.004
        if left < 0 and items:
            break
        items.append(item)
    order = rng.permutation(len(items))
    group, _ = in_a_row([items[k] for k in order], float(rng.uniform(0.001, 0.01)), rng)
    lift, same = rng.uniform(1.38, 1.5), alike(fixtures.wall_cabinet, rng)
    above: Group = []
    for index, piece in enumerate(group):
        x, height = float(piece.place[0]), float(piece.item.mesh.vertices[:, 2].max())
        if height > 1.3:
            continue
        wide = float(piece.item.mesh.extent[0])
        if piece.item.classes[0] == "appliance" and rng.random() < 0.5:
            above.append(backed(appliances.hood(rng), x, 0.003, lift + 0.1, hung=True))
        elif rng.random() < 0.75:
            above.append(backed(fit_width(same(rng), wide), x, 0.003, lift, hung=True))
        if (
            piece.item.classes[0] == "counter"
            and "sink" not in piece.item.classes
            and rng.random() < 0.4
        ):
            oven = (appliances.microwave if rng.random() < 0.6 else appliances.kettle)(rng)
            y = -oven.mesh.extent[1] / 2 - 0.04
            place = np.array([x + rng.uniform(-0.3, 0.3) * max(wide - 0.6, 0), y, height])
            above.append(Piece(item=oven, place=place, owner=index))
    return group + above


def bath(rng: Rng, room: float) -> Group:
    """A basin, sometimes over a cabinet, with mirror and towel, often a toilet beside it."""
    sink = bathroom.vanity(rng) if rng.random() < 0.6 else fixtures.basin(rng)
    group = [backed(sink, 0.0)]
    half = half_width(sink)
    if rng.random() < 0.75:
        mirror = bathroom.mirror(rng)
        group.append(backed(mirror, rng.normal(0, 0.03), 0.003, rng.uniform(1.0, 1.2), hung=True))
    if rng.random() < 0.5:
        side = 1 if rng.random() < 0.5 else -1
        towel = bathroom.towel(rng)
        x = side * (half + towel.mesh.extent[0] / 2 + rng.uniform(0.02, 0.2))
        group.append(backed(towel, x, 0.003, rng.uniform(0.7, 1.0), hung=True))
    if rng.random() < 0.6:
        toilet = seating.toilet(rng)
        side = 1 if rng.random() < 0.5 else -1
        x = side * (half + half_width(toilet) + rng.uniform(0.08, 0.4))
        group.append(backed(toilet, x))
        group.append(backed(bathroom.paper_roll(rng), x + side * 0.32, 0.003, 0.7, hung=True))
    return group


def tub(rng: Rng, room: float) -> Group:
    """A bathtub or shower tray with its curtain."""
    one = bathroom.bathtub(rng)
    group = [backed(one, 0.0)]
    if rng.random() < 0.6:
        x, y, _ = one.mesh.extent
        hanging = bathroom.shower_curtain(rng, float(x))
        shift = rng.uniform(-0.5, 0.5) * max(x - hanging.mesh.extent[0], 0)
        group.append(at(hanging, float(shift), float(-y - 0.03), rng.uniform(0.1, 0.4)))
    return group


def sleeping(rng: Rng, room: float) -> Group:
    """A bed with its head to the wall between nightstands that carry lamps."""
    bed = furniture.bed(rng) if rng.random() < 0.45 else couches.any_bed(rng)
    group = [backed(bed, 0.0)]
    make = alike(cabinets.nightstand, rng)
    for side in (-1, 1):
        if rng.random() < 0.3:
            continue
        stand = make(rng)
        x = side * (half_width(bed) + half_width(stand) + rng.uniform(0.005, 0.12))
        group.append(backed(stand, x, rng.uniform(0.005, 0.04)))
        if rng.random() < 0.65:
            lamp, owner = gadgets.desk_lamp(rng), len(group) - 1
            top = float(stand.mesh.vertices[:, 2].max())
            place = group[owner].place + [rng.normal(0, 0.03), 0.03, top]
            group.append(Piece(item=lamp, place=place, yaw=rng.uniform(0, 6.3), owner=owner))
    if rng.random() < 0.4:
        above = fixtures.picture(rng)
        group.append(backed(above, rng.normal(0, 0.1), 0.003, rng.uniform(1.3, 1.6), hung=True))
    return group


def lounge(rng: Rng, room: float) -> Group:
    """A sofa at the wall with a low table before it, armchairs beside it, a rug below."""
    sofa = seating.sofa(rng) if rng.random() < 0.4 else couches.any_sofa(rng)
    front = float(sofa.mesh.extent[1])
    group = [backed(sofa, 0.0, rng.uniform(0.01, 0.15))]
    table = furniture.table(rng, low=True)
    y = -front - rng.uniform(0.15, 0.45) - table.mesh.extent[1] / 2
    if rng.random() < 0.85:
        group.append(at(table, rng.normal(0, 0.15), y, yaw=rng.normal(0, 0.08)))
    for side in (-1, 1):
        if rng.random() < 0.35:
            chair = (chairs.wing_chair if rng.random() < 0.5 else chairs.lounge_chair)(rng)
            x = side * (max(table.mesh.extent[0] / 2, 0.4) + rng.uniform(0.6, 0.9))
            turn = side * (-np.pi / 2 + rng.uniform(-0.4, 0.4))
            group.append(at(chair, x, y - 0.1, yaw=turn))
        elif rng.random() < 0.4:
            beside = fixtures.floor_lamp(rng) if rng.random() < 0.4 else tables.side_table(rng)
            x = side * (half_width(sofa) + half_width(beside) + rng.uniform(0.01, 0.2))
            group.append(backed(beside, x, rng.uniform(0.05, 0.3)))
    return group


def television(rng: Rng, room: float) -> Group:
    """A low bench with a television on it or on the wall above it, speakers beside it."""
    bench = cabinets.bench_cabinet(rng)
    group = [backed(bench, 0.0, rng.uniform(0.01, 0.06))]
    top, depth = float(bench.mesh.vertices[:, 2].max()), float(bench.mesh.extent[1])
    if rng.random() < 0.4:
        screen = fixtures.wall_screen(rng)
        above = backed(screen, rng.normal(0, 0.05), 0.003, top + rng.uniform(0.15, 0.5), hung=True)
        return [*group, above]
    screen = gadgets.television(rng, float(bench.mesh.extent[0]))
    place = np.array([rng.normal(0, 0.04), -depth * 0.5, top])
    return [*group, Piece(item=screen, place=place, yaw=rng.normal(0, 0.05), owner=0)]


def storage_row(rng: Rng, room: float) -> Group:
    """Cabinets, wardrobes and shelves touching each other along a wall, often all alike."""
    makers = (furniture.wardrobe, furniture.shelf, furniture.cabinet, cabinets.bookcase)
    make = alike(makers[int(rng.integers(4))], rng) if rng.random() < 0.5 else None
    items: list[Item] = []
    left = room * rng.uniform(0.4, 1.0)
    while len(items) < 5:
        item = make(rng) if make else makers[int(rng.integers(4))](rng)
        left -= item.mesh.extent[0] + 0.01
        if left < 0:
            break
        items.append(item)
    items = items or [cabinets.nightstand(rng)]
    return in_a_row(items, float(rng.choice([0.0, 0.003, 0.03])), rng)[0]


WALL_GROUPS: dict[str, tuple[GroupMaker, ...]] = {
    "office": (workplace, workplace, desk_row, storage_row),
    "living": (lounge, television, storage_row, workplace),
    "bedroom": (sleeping, storage_row, workplace, television),
    "kitchen": (kitchen, kitchen, storage_row),
    "bath": (bath, tub),
    "storage": (storage_row,),
    "mixed": (lounge, television, kitchen, sleeping, workplace, storage_row, bath),
}
FREE_GROUPS: dict[str, tuple[GroupMaker, ...]] = {
    "office": (dining, desk_row),
    "living": (dining, lounge),
    "kitchen": (dining,),
    "mixed": (dining, desk_row, lounge),
}
