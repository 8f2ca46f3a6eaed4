"""What rooms are furnished with: makers with weights, by purpose and place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from clickseg3d_core.simulation import (
    appliances,
    bathroom,
    bulky,
    cabinets,
    chairs,
    cloths,
    couches,
    fixtures,
    furniture,
    gadgets,
    goods,
    openings,
    seating,
    tables,
    tableware,
)
from clickseg3d_core.simulation.objects import ObjectSource
from clickseg3d_core.simulation.world import Item

Rng = np.random.Generator
Maker = Callable[[Rng], Item]

SOFT: tuple[Maker, ...] = (cloths.heap, cloths.sack, cloths.shoes, cloths.folded)

# Makers of what hangs on walls, with weights and the height of the lower edge in metres.
WALL_THINGS: tuple[tuple[Maker, float, float | None], ...] = (
    (fixtures.door, 0.8, 0.0), (openings.flush_door, 1.0, 0.0),
    (openings.open_door, 0.8, 0.0),
    (fixtures.window, 0.8, 0.9), (openings.dressed_window, 1.4, 1.0),
    (fixtures.picture, 1.6, None), (openings.poster, 1.2, None),
    (openings.board, 0.8, 0.85),
    (bathroom.mirror, 0.4, 1.0), (openings.wall_clock, 0.6, None),
    (bathroom.towel, 0.4, 0.9), (fixtures.curtain, 0.8, 0.05),
    (fixtures.wall_screen, 0.6, 1.1),
    (fixtures.wall_cabinet, 0.8, 1.4), (fixtures.wall_shelf, 0.8, 1.3),
    (fixtures.radiator, 0.6, 0.0),
)  # fmt: skip


def wall_pieces(purpose: str, source: ObjectSource) -> list[tuple[Maker, float]]:
    """Makers of furniture that stands against walls, with weights, for a purpose."""
    always: list[tuple[Maker, float]] = [
        (furniture.cabinet, 0.6), (furniture.shelf, 0.6), (fixtures.floor_lamp, 0.5),
        (furniture.wardrobe, 0.4), (cabinets.sideboard, 0.6), (cabinets.bookcase, 0.6),
        (cabinets.wire_rack, 0.4), (cabinets.open_wardrobe, 0.4), (cabinets.glass_case, 0.25),
        (cabinets.locker, 0.4), (cabinets.nightstand, 0.3), (tables.side_table, 0.3),
        (chairs.bench, 0.15), (bulky.piano, 0.12), (bulky.bicycle, 0.12), (bulky.printer, 0.25),
        (bulky.vacuum_cleaner, 0.1), (bulky.ladder, 0.15), (bulky.guitar, 0.1),
        (bulky.arc_lamp, 0.15), (bulky.drying_rack, 0.12), (bulky.fan, 0.1),
        (fixtures.bin_, 0.5), (fixtures.box_pile, 0.4),
        (seating.chair, 0.7), (_floor_plant, 0.5), (goods.backpack, 0.3), (fixtures.suitcase, 0.2),
        (source.indoor_furniture, 1.2 if source.library is not None else 0.0),
    ]  # fmt: skip
    special: dict[str, list[tuple[Maker, float]]] = {
        "office": [
            (furniture.desk, 2.0),
            (tables.plain_desk, 2.0),
            (tables.corner_desk, 0.7),
            (furniture.shelf, 1.0),
            (furniture.wardrobe, 0.5),
        ],
        "living": [
            (seating.sofa, 1.2),
            (couches.any_sofa, 1.8),
            (furniture.table, 0.6),
            (furniture.cabinet, 1.0),
        ],
        "bedroom": [
            (furniture.bed, 1.0),
            (couches.any_bed, 1.0),
            (furniture.wardrobe, 1.0),
            (furniture.desk, 0.8),
        ],
        "kitchen": [
            (furniture.counter, 3.0),
            (fixtures.appliance, 0.6),
            (appliances.fridge, 0.7),
            (appliances.stove, 0.5),
            (appliances.washer, 0.4),
        ],
        "bath": [(seating.toilet, 2.0), (fixtures.basin, 2.0), (appliances.washer, 0.8)],
        "storage": [(furniture.shelf, 4.0), (fixtures.box_pile, 2.5)],
    }
    every = [pair for pairs in special.values() for pair in pairs]
    return always + special.get(purpose, every)


def _floor_plant(rng: Rng) -> Item:
    return tableware.potted_plant(rng, rng.uniform(2.2, 4.5))


def soft_thing(rng: Rng) -> Item:
    """What lies about on seats and beds."""
    makers: list[tuple[Maker, float]] = [
        (cloths.heap, 2.0), (cloths.folded, 1.0), (cloths.sack, 1.0), (goods.backpack, 1.0),
        (goods.handbag, 0.5), (goods.book, 0.5), (gadgets.plush, 0.5), (gadgets.laptop, 0.4),
        (goods.cardboard, 0.3), (goods.papers, 0.4),
    ]  # fmt: skip
    return draw(makers, rng)


def draw(makers: list[tuple[Maker, float]], rng: Rng) -> Item:
    """An item of one maker, drawn by weight."""
    weights = np.array([w for _, w in makers])
    return makers[int(rng.choice(len(makers), p=weights / weights.sum()))][0](rng)


def floor_pieces(source: ObjectSource) -> list[tuple[Maker, float]]:
    """Makers of furniture and things that stand free, with weights."""
    return [
        (furniture.table, 1.0), (tables.side_table, 0.7), (seating.chair, 3.0),
        (lambda r: furniture.table(r, low=True), 1.5), (seating.sofa, 0.4), (couches.any_sofa, 0.5),
        (chairs.bean_bag, 0.2), (fixtures.bin_, 0.6), (goods.backpack, 0.5),
        (bulky.stroller, 0.15), (bulky.bicycle, 0.1), (bulky.ladder, 0.1), (bulky.fan, 0.15),
        (bulky.vacuum_cleaner, 0.1), (cloths.sack, 0.5), (cloths.heap, 0.4), (cloths.shoes, 0.2),
        (goods.cardboard, 1.0), (fixtures.suitcase, 0.4), (furniture.cabinet, 0.4),
        (goods.handbag, 0.4), (fixtures.box_pile, 0.4), (_floor_plant, 0.3),
        (source.any_object, 1.2), (furniture.desk, 0.5),
        (source.indoor_furniture, 1.2 if source.library is not None else 0.0),
    ]  # fmt: skip


def books(rng: Rng) -> Maker:
    """A maker of upright or lying books and boxes."""
    standing = rng.random() < 0.7

    def make(rng: Rng) -> Item:
        one = goods.book(rng) if rng.random() < 0.8 else goods.carton(rng)
        if not standing:
            return one
        upright = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
        return replace(one, mesh=one.mesh.turned(upright).grounded())

    return make
