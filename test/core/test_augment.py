"""Random changes of training scenes."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import boxes_scene

from clickseg3d_core import ConfigError
from clickseg3d_core.data.augment import AugmentConfig, augment
from clickseg3d_core.data.distortion import auto_contrast, bent, elastic_distortion


def test_augmentation_keeps_labels_with_points_and_can_drop_color(two_boxes, rng):
    scene = boxes_scene(two_boxes)
    settings = AugmentConfig(tumble=0, tilt_degrees=0, thin=0, scale=(2.0, 2.0), drop_color=1.0)
    changed = augment(scene, settings, rng)
    assert changed.rgb is None
    assert np.array_equal(changed.instance, scene.instance)
    for i in (1, 2, 3):
        size = np.linalg.norm(scene.xyz[scene.instance == i].std(axis=0))
        other = np.linalg.norm(changed.xyz[changed.instance == i].std(axis=0))
        assert other == pytest.approx(2 * size, rel=1e-3)


def plain_augment(**changes) -> AugmentConfig:
    """No change but those asked for, and a turn about z."""
    off = AugmentConfig(
        tumble=0, tilt_degrees=0, flip=0, scale=(1, 1), thin=0, drop_color=0, gray=0, retone=False
    )
    return replace(off, **changes)


def test_elastic_distortion_bends_smoothly(rng):
    xyz = np.stack(np.meshgrid(*[np.linspace(0, 2, 21)] * 3, indexing="ij"), axis=-1)
    moved = elastic_distortion(xyz.reshape(-1, 3), 0.4, 0.3, rng).reshape(xyz.shape) - xyz
    assert 0.02 < moved.std() < 0.3
    assert np.diff(moved, axis=0).std() < 0.4 * moved.std()  # neighbors, 10 cm apart


def test_elastic_distortion_of_a_large_scene_needs_little_memory(rng):
    xyz = rng.uniform(0, 500, (1000, 3))
    moved = elastic_distortion(xyz, 0.2, 0.4, rng)
    assert np.isfinite(moved).all()
    assert 0 < np.abs(moved - xyz).max() < 3


def test_elastic_distortion_is_a_switch(two_boxes):
    scene = boxes_scene(two_boxes)
    still = augment(scene, plain_augment(), np.random.default_rng(3)).xyz
    bent = augment(scene, plain_augment(elastic=((0.2, 0.4),)), np.random.default_rng(3)).xyz
    assert 0.001 < np.linalg.norm(bent - still, axis=1).mean() < 0.5


def test_dropout_keeps_the_fraction_asked_for(two_boxes, rng):
    scene = boxes_scene(two_boxes)
    settings = plain_augment(thin=1.0, thin_keep=(0.8, 0.8))
    kept = len(augment(scene, settings, rng).xyz) / len(scene.xyz)
    assert kept == pytest.approx(0.8, abs=0.02)


def test_auto_contrast_stretches_each_channel(rng):
    color = rng.uniform(0.2, 0.6, (500, 3)).astype(np.float32)
    full = auto_contrast(color, 1.0)
    assert np.allclose(full.min(axis=0), 0.0, atol=1e-6)
    assert np.allclose(full.max(axis=0), 1.0, atol=1e-6)
    assert np.allclose(auto_contrast(color, 0.5), (color + full) / 2, atol=1e-6)
    assert np.isfinite(auto_contrast(np.full((5, 3), 0.5, np.float32), 1.0)).all()


def test_chromatic_changes_are_switches(two_boxes, rng):
    scene = boxes_scene(two_boxes)
    assert np.array_equal(augment(scene, plain_augment(), rng).rgb, scene.rgb)
    shifted = augment(scene, plain_augment(color_shift=0.05), rng).rgb.astype(int) - scene.rgb
    assert len(np.unique(shifted[scene.rgb[:, 0] == 200], axis=0)) == 1
    assert 0 < np.abs(shifted).max() <= 14
    noisy = augment(scene, plain_augment(color_noise=0.05), rng).rgb.astype(int) - scene.rgb
    assert noisy[:3000].std() == pytest.approx(0.05 * 255, rel=0.15)
    stretched = augment(scene, plain_augment(auto_contrast=1.0), rng).rgb
    assert stretched.max() > scene.rgb.max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"thin_keep": (0.9, 0.3)}, "thin_keep"), ({"elastic": ((0.0, 0.4),)}, "elastic")],
)
def test_impossible_augmentation_raises_config_error(changes, message):
    with pytest.raises(ConfigError, match=message):
        AugmentConfig(**changes)


def flat_wall():
    """20 cells of 5 cm on a side, seen head on."""
    across, up = np.meshgrid(np.arange(0, 4, 0.05), np.arange(0, 3, 0.05), indexing="ij")
    return np.stack([across, np.full_like(across, 2.0), up], axis=-1)


def test_bent_walls_move_softly_and_by_less_than_asked_for():
    wall = flat_wall()
    moves = [
        bent(wall.reshape(-1, 3), 0.05, 0.6, np.random.default_rng(seed)).reshape(wall.shape) - wall
        for seed in range(40)
    ]
    still = np.mean([not move.any() for move in moves])
    assert 0.05 < still < 0.5  # neither waves nor rings
    off = np.array([move[..., 1] for move in moves if move.any()])
    assert 0.003 < off.std() < 0.03
    assert (
        np.abs(np.diff(off, axis=1)).mean()
        < 0.5 * np.abs(off - off.mean(axis=(1, 2))[:, None, None]).mean()
    )
    assert max(np.linalg.norm(move, axis=-1).mean() for move in moves) < 2 * 0.6 * 0.05


def test_bends_grow_with_voxels_and_are_drawn_from_the_generator():
    wall = flat_wall().reshape(-1, 3)
    fine, coarse = (bent(wall * s, 0.05 * s, 0.6, np.random.default_rng(2)) for s in (1.0, 10.0))
    assert np.abs(fine - wall).max() > 0.0
    assert np.allclose(coarse, 10.0 * fine)
    assert np.array_equal(bent(wall, 0.05, 0.0, np.random.default_rng(2)), wall)


def test_rings_bulge_around_one_point():
    """Where only ranges are off, points move along the rays from one place."""
    wall = flat_wall().reshape(-1, 3)
    draws = {seed: np.random.default_rng(seed).random(2) for seed in range(60)}
    seed = next(s for s, (waves, rings) in draws.items() if waves >= 0.5 and rings < 0.5)
    move = bent(wall, 0.05, 0.6, np.random.default_rng(seed)) - wall
    rng = np.random.default_rng(seed)
    rng.random(2)
    ray = wall - rng.uniform(*np.percentile(wall, [5.0, 95.0], axis=0))
    assert np.abs(move).max() > 0.0
    assert np.allclose(np.cross(move, ray), 0.0, atol=1e-9)
