"""Draws a random small object, from shapes or from a mesh library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clickseg3d_core.simulation import gadgets, goods, tableware
from clickseg3d_core.simulation.deform import deformed
from clickseg3d_core.simulation.library import MeshLibrary
from clickseg3d_core.simulation.world import Item

Maker = Callable[[np.random.Generator], Item]

TABLE_OBJECTS: tuple[tuple[Maker, float], ...] = (
    (goods.carton, 9.0), (goods.cardboard, 1.0), (goods.milk_carton, 1.5), (goods.book, 4.0),
    (goods.open_book, 0.8), (goods.papers, 1.2), (goods.can, 4.0), (goods.bottle, 5.0),
    (goods.spray_bottle, 0.8), (goods.tube_pack, 1.2), (goods.pouch, 2.0), (goods.handbag, 0.5),
    (goods.oddity, 4.0), (tableware.mug, 4.0), (tableware.cup, 2.5), (tableware.wine_glass, 0.5),
    (tableware.bowl, 3.5), (tableware.plate, 2.0), (tableware.pot, 1.2), (tableware.jug, 1.2),
    (tableware.vase, 1.2), (tableware.potted_plant, 1.2), (tableware.round_fruit, 3.0),
    (tableware.pear, 0.8), (tableware.banana, 0.8), (tableware.bread, 1.2),
    (tableware.cutlery, 1.0), (tableware.board, 1.0), (tableware.basket, 0.8),
    (gadgets.monitor, 0.6), (gadgets.laptop, 0.8), (gadgets.slab, 1.5), (gadgets.keyboard, 0.8),
    (gadgets.mouse, 1.0), (gadgets.phone, 0.6), (gadgets.speaker, 0.7), (gadgets.desk_lamp, 0.7),
    (gadgets.clock, 1.0), (gadgets.handled_tool, 1.6), (gadgets.power_tool, 1.0),
    (gadgets.pliers, 0.6), (gadgets.tape, 1.2), (gadgets.ball, 1.5), (gadgets.block, 2.0),
    (gadgets.plush, 1.2), (gadgets.toy_car, 1.0), (gadgets.shoe, 0.5), (gadgets.cloth, 0.7),
    (gadgets.holder, 0.7),
)  # fmt: skip

KITCHEN: tuple[Maker, ...] = (
    tableware.mug, tableware.cup, tableware.bowl, tableware.plate, tableware.pot, tableware.jug,
    tableware.board, tableware.bread, tableware.round_fruit, goods.bottle, goods.can, goods.carton,
    goods.milk_carton, goods.spray_bottle, goods.pouch, tableware.cutlery,
)  # fmt: skip

DESK: tuple[Maker, ...] = (
    gadgets.monitor, gadgets.laptop, gadgets.keyboard, gadgets.mouse, gadgets.desk_lamp, goods.book,
    goods.papers, gadgets.holder, tableware.mug, goods.bottle, gadgets.phone, gadgets.slab,
    gadgets.speaker, gadgets.clock, tableware.potted_plant, goods.carton, goods.open_book,
)  # fmt: skip

SHELF: tuple[Maker, ...] = (
    goods.book, goods.carton, tableware.vase, gadgets.clock, tableware.potted_plant, goods.oddity,
    gadgets.plush, gadgets.speaker, goods.bottle, tableware.bowl, goods.cardboard,
    tableware.basket, gadgets.ball, goods.papers,
)  # fmt: skip


def table_object(rng: np.random.Generator) -> Item:
    """Any small object, the common ones more often."""
    weights = np.array([weight for _, weight in TABLE_OBJECTS])
    index = rng.choice(len(TABLE_OBJECTS), p=weights / weights.sum())
    return TABLE_OBJECTS[int(index)][0](rng)


def from_group(group: tuple[Maker, ...], rng: np.random.Generator) -> Item:
    """One object of a group such as `KITCHEN`, now and then any object."""
    if rng.random() < 0.12:
        return table_object(rng)
    return group[int(rng.integers(len(group)))](rng)


PACKAGES: tuple[Maker, ...] = (
    goods.carton, goods.carton, goods.carton, goods.carton, goods.can, goods.bottle, goods.book,
    tableware.cup, tableware.bowl, goods.milk_carton, gadgets.block,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """Draws small objects, half of them from a mesh library where there is one."""

    library: MeshLibrary | None = None

    def _drawn(self, rng: np.random.Generator, group: tuple[Maker, ...] | None) -> Item:
        one = self._plain(rng, group)
        return deformed(one, rng) if rng.random() < 0.4 else one

    def _plain(self, rng: np.random.Generator, group: tuple[Maker, ...] | None) -> Item:
        if self.library is not None and rng.random() < 0.5:
            found = self.library.small_object(rng)
            if found is not None:
                return found
        return table_object(rng) if group is None else from_group(group, rng)

    def any_object(self, rng: np.random.Generator) -> Item:
        """Anything small."""
        return self._drawn(rng, None)

    def kitchen(self, rng: np.random.Generator) -> Item:
        """A thing of a kitchen."""
        return self._drawn(rng, KITCHEN)

    def desk(self, rng: np.random.Generator) -> Item:
        """A thing of a desk."""
        return self._drawn(rng, DESK)

    def shelf(self, rng: np.random.Generator) -> Item:
        """A thing of a shelf."""
        return self._drawn(rng, SHELF)

    def packages(self, rng: np.random.Generator) -> Item:
        """Boxes, cans and bowls."""
        return self._drawn(rng, PACKAGES)

    def indoor_furniture(self, rng: np.random.Generator) -> Item:
        """Furniture of the library, else any small object."""
        if self.library is not None:
            classes = (
                "chair", "table", "sofa", "bed", "cabinet", "shelf", "counter", "lamp", "screen",
                "appliance", "box", "plant", "bag", "toilet", "sink", "other", "toy",
            )  # fmt: skip
            found = self.library.draw(rng, classes, ("indoor",))
            if found is not None and found.mesh.extent[:2].max() < 3.2:
                return deformed(found, rng, strength=0.6) if rng.random() < 0.5 else found
        return table_object(rng)
