"""Parts of labelled scans: cut out, without ground or neighbors."""

import numpy as np
import pytest

from clickseg3d_core.data.augment import AugmentConfig, augment
from clickseg3d_core.data.partial import partial
from clickseg3d_core.data.scene import Scene

FLOOR, BALLS = 1, 12


def floor_with_balls(rng: np.random.Generator, points: int = 1000) -> Scene:
    """A floor of 6 x 6 m, instance 1, and twelve balls of 0.4 m on it, 2 to 13; some clutter, 0."""
    places = [rng.uniform((0, 0, 0), (6, 6, 0.01), (8 * points, 3))]
    for x, y in np.stack(np.meshgrid(np.arange(4), np.arange(3)), axis=-1).reshape(-1, 2):
        ball = rng.normal(size=(points, 3))
        ball *= 0.2 / np.linalg.norm(ball, axis=1, keepdims=True)
        places.append(ball + (1.0 + 1.3 * x, 1.0 + 1.8 * y, 0.2))
    places.append(rng.uniform((0, 0, 0), (6, 6, 1), (points, 3)))
    instance = np.repeat([FLOOR, *range(2, 2 + BALLS), 0], [8 * points, *[points] * (BALLS + 1)])
    return Scene(
        xyz=np.concatenate(places).astype(np.float32),
        rgb=None,
        instance=instance.astype(np.int32),
        instance_class=np.full(2 + BALLS, -1, np.int16),
        meta={"frame": "world"},
    )


@pytest.fixture
def draws(rng):
    scene = floor_with_balls(rng)
    return scene, [partial(scene, np.random.default_rng(seed)) for seed in range(60)]


def test_points_and_ids_are_those_of_the_scan_in_its_order(draws):
    scene, parts = draws
    rows = {tuple(point): row for row, point in enumerate(scene.xyz.tolist())}
    for part in parts:
        kept = [rows[tuple(point)] for point in part.xyz.tolist()]
        assert np.all(np.diff(kept) > 0)
        assert np.array_equal(part.instance, scene.instance[kept])
        assert part.up == scene.up
        assert len(part) >= 1500
        assert np.bincount(part.instance)[1:].max() >= 30


def test_scans_are_cut_out_and_dropped_from(draws):
    scene, parts = draws
    counts = np.array([np.bincount(p.instance, minlength=2 + BALLS) for p in parts])
    share = counts / np.bincount(scene.instance)
    balls = share[:, 2:]
    assert (len(scene) == counts.sum(axis=1)).sum() >= 4  # whole
    assert ((share[:, FLOOR] == 0) & (balls > 0.0).any(axis=1)).sum() >= 4  # no floor
    assert (((balls == 0) | (balls == 1)).all(axis=1) & (balls == 0).any(axis=1)).sum() >= 4
    extent = np.array([np.ptp(p.xyz[:, 0]) for p in parts])
    assert ((extent < 4.0) & (share[:, FLOOR] > 0)).sum() >= 4  # cut out, with its floor


def test_the_same_draws_give_the_same_part(rng):
    scene = floor_with_balls(rng)
    one, two, other = (partial(scene, np.random.default_rng(seed)) for seed in (2, 2, 3))
    assert np.array_equal(one.xyz, two.xyz)
    assert len(one) != len(other)


def test_what_is_small_already_stays_whole(rng):
    scene = floor_with_balls(rng, points=60)
    assert len(scene) < 1500
    for seed in range(10):
        assert partial(scene, np.random.default_rng(seed)) is scene


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 8, 32), (1.0, 25, 40)])
def test_training_shows_parts_as_often_as_asked(rng, share, least, most):
    scene = floor_with_balls(rng)
    settings = AugmentConfig(partial=share, thin=0.0)
    sizes = [len(augment(scene, settings, np.random.default_rng(seed))) for seed in range(40)]
    assert least <= np.sum(np.array(sizes) < len(scene)) <= most
