"""The weights that come with the package, on walls that step back at a door and a window."""

import numpy as np
import pytest

from clickseg3d_core import Clicks, PointCloud
from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.data.distortion import bent
from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation import shapes
from clickseg3d_core.simulation.lidar import Lidar, sweep
from clickseg3d_core.simulation.mesh import rotation_z
from clickseg3d_core.simulation.raycast import Caster
from clickseg3d_core.simulation.recesses import Recess, filling, recessed_wall
from clickseg3d_core.simulation.roomshell import wall_place
from clickseg3d_core.simulation.world import Item, WorldBuilder

pytest.importorskip("embreex")
pytestmark = pytest.mark.slow

SIZE = (5.0, 4.0, 2.6)
DEEP = 0.2
RECESSES = [
    Recess(middle=-1.5, wide=0.9, low=0.0, high=2.05, deep=DEEP, kind="door"),
    Recess(middle=0.8, wide=1.6, low=0.9, high=2.1, deep=DEEP, kind="window"),
]


@pytest.fixture(scope="module")
def room() -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Points and instances of a bare room by laser, and its two walls with recesses."""
    rng, builder, skin = np.random.default_rng(1), WorldBuilder(), paint.plain(np.ones(3))
    for level, name in ((0.0, "floor"), (SIZE[2], "ceiling")):
        flat = shapes.panel(*SIZE[:2]).moved(0, 0, level)
        builder.add(Item(mesh=flat, classes=(name,), materials=(skin,)))
    walls = []
    for side in range(4):
        place, yaw = wall_place(SIZE, side)
        recesses = RECESSES if side % 2 == 0 else []
        mesh = recessed_wall(SIZE[side % 2], SIZE[2], recesses)
        walls.append(builder.add(Item(mesh=mesh, classes=("wall",), materials=(skin,)), place, yaw))
        for recess in recesses:
            item = filling(recess, rng)
            assert item is not None
            back = np.array([recess.middle, recess.deep, recess.low])
            builder.add(item, place + rotation_z(yaw) @ back, yaw)
    scanner = Lidar(
        rings=128, columns=800, lowest=-1.2, highest=1.2, noise=0.006, near=0.3, far=30.0,
        dropout=0.02, mixed=0.3,
    )  # fmt: skip
    turn = sweep(Caster(builder.build()), scanner, np.eye(3), np.array([0.6, -0.4, 1.4]), rng)
    return turn.points, turn.instance, [walls[0], walls[2]]


@pytest.mark.parametrize("bend", [0.0, 0.6])
def test_one_click_anywhere_gives_the_whole_wall(shipped, room, bend):
    xyz, instance, walls = room
    if bend:
        xyz = bent(xyz.astype(np.float64), 0.05, bend, np.random.default_rng(2))
    encoding = shipped.encode(PointCloud(xyz.astype(np.float32)))
    ious = []
    for wall in walls:
        truth = instance == wall
        others = np.random.default_rng(0).choice(np.flatnonzero(truth), 5)
        for point in (innermost_point(xyz, truth), *others):
            answer = shipped.segment(encoding, Clicks(xyz[[point]], np.array([1]))).labels == 1
            ious.append((answer & truth).sum() / (answer | truth).sum())
    assert np.mean(ious) > 0.75
    assert np.median(ious) > 0.87
    assert np.sum(np.array(ious) > 0.7) >= 10  # of twelve clicks
