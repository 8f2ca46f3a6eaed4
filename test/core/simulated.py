"""What tests of simulated scans share."""

from __future__ import annotations

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.simulation import (
    appearance,
)
from clickseg3d_core.simulation.mesh import Mesh
from clickseg3d_core.simulation.world import Item


def solid(mesh: Mesh, name: str = "box", dropout: float = 0.0) -> Item:
    return Item(
        mesh=mesh, classes=(name,), materials=(appearance.plain(np.ones(3), dropout=dropout),)
    )


def seeded() -> np.random.Generator:
    return np.random.default_rng(0)


def assert_same(one: Scene, two: Scene) -> None:
    np.testing.assert_array_equal(one.xyz, two.xyz)
    np.testing.assert_array_equal(one.instance, two.instance)
    np.testing.assert_array_equal(one.instance_class, two.instance_class)
    assert (one.rgb is None) == (two.rgb is None)
    if one.rgb is not None and two.rgb is not None:
        np.testing.assert_array_equal(one.rgb, two.rgb)
