"""Patches of another color as instances of their own."""

from dataclasses import replace

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_IDS
from clickseg3d_core.data.augment import AugmentConfig, augment
from clickseg3d_core.data.painting import painted
from clickseg3d_core.data.scene import Scene


def wall_and_ball(rng: np.random.Generator) -> Scene:
    """A gray wall of 3 x 2 m, instance 1, and a gray ball, instance 2, with some noise."""
    wall = rng.uniform((0, 0, 0), (3, 0.001, 2), (6000, 3))
    ball = rng.normal(size=(1500, 3))
    ball = 0.3 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + (1.5, 1.5, 1.0)
    color = np.clip(rng.normal(120, 5, (7500, 3)), 0, 255).astype(np.uint8)
    return Scene(
        xyz=np.concatenate([wall, ball]).astype(np.float32),
        rgb=color,
        instance=np.repeat([1, 2], [6000, 1500]).astype(np.int32),
        instance_class=np.array([-1, CLASS_IDS["wall"], CLASS_IDS["toy"]], np.int16),
    )


def test_patches_lie_on_the_wall_and_differ_in_color(rng):
    scene = wall_and_ball(rng)
    found = 0
    for _ in range(20):
        result = painted(scene, 3, rng)
        new = np.unique(result.instance[result.instance > 2])
        found += len(new)
        assert len(result.instance_class) == 3 + len(new)
        for number in new:
            inside = result.instance == number
            assert (scene.instance[inside] == 1).all()  # nothing is flat on a ball
            assert result.instance_class[number] == CLASS_IDS["picture"]
            assert 40 <= inside.sum() <= 3000
            change = result.rgb[inside].astype(float) - scene.rgb[inside]
            assert np.linalg.norm(change, axis=1).mean() > 20
        kept = result.instance == scene.instance
        assert np.array_equal(result.rgb[kept], scene.rgb[kept])
    assert found > 20
    assert scene.instance.max() == 2  # the scene itself is left as it is


def test_patches_on_walls_stand_upright(rng):
    scene = wall_and_ball(rng)
    for _ in range(20):
        result = painted(scene, 1, rng)
        place = result.xyz[result.instance == 3]
        if len(place) < 300:
            continue
        filled = len(place) / 1000 / np.prod(np.ptp(place, axis=0)[[0, 2]])  # 1000 points a m2
        assert filled > 0.65  # a rectangle fills its upright box, an ellipse pi / 4 of it


def test_other_things_get_patches_of_no_known_class(rng):
    scene = wall_and_ball(rng)
    scene.instance_class[1] = CLASS_IDS["table"]
    classes = painted(scene, 5, rng).instance_class[3:]
    assert len(classes)
    assert (classes == -1).all()


@pytest.mark.parametrize(("name", "size"), [("box", 1.0), ("other", 1.0), ("table", 0.15)])
def test_small_things_and_packets_get_none(rng, name, size):
    scene = wall_and_ball(rng)
    scene.instance_class[1] = CLASS_IDS[name]
    scene = replace(scene, xyz=scene.xyz * np.float32(size))
    for _ in range(10):
        assert painted(scene, 5, rng).instance.max() == 2


def test_nothing_large_enough_is_left_as_it_is(rng):
    scene = wall_and_ball(rng).take(np.arange(7500) % 100 == 0)
    assert painted(scene, 5, rng) is scene


@pytest.mark.parametrize("drop_color", [0.0, 1.0])
def test_augmentation_paints_only_what_keeps_its_color(rng, drop_color):
    scene = wall_and_ball(rng)
    settings = AugmentConfig(paint=1.0, drop_color=drop_color, thin=0.0)
    numbers = [augment(scene, settings, rng).instance.max() for _ in range(10)]
    assert (max(numbers) > 2) == (drop_color == 0.0)
    assert augment(scene, AugmentConfig(paint=0.0), rng).instance.max() == 2
