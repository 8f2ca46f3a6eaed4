"""Input features: color without its noise, and height above the floor."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from clickseg3d_core import ClickSegmenter, ConfigError, PointCloud
from clickseg3d_core.data.augment import AugmentConfig
from clickseg3d_core.data.scene import Scene
from clickseg3d_core.edges import describe_edges
from clickseg3d_core.model.features import feature_columns, input_features
from clickseg3d_core.surface import describe_surface
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.samples import make_sample
from clickseg3d_core.voxels import floor_height, voxelize


def painted_wall(noise: float) -> tuple[PointCloud, np.ndarray]:
    """A wall in x and z with a square picture in it that differs in color alone."""
    rng = np.random.default_rng(0)
    x, z = (a.ravel() for a in np.meshgrid(np.arange(40) * 0.05, np.arange(40) * 0.05))
    picture = (np.abs(x - 1.0) < 0.3) & (np.abs(z - 1.0) < 0.3)
    color = np.where(picture[:, None], [0.6, 0.4, 0.3], [0.5, 0.5, 0.5])
    color = np.clip(color + rng.normal(0, noise, color.shape), 0, 1)
    xyz = np.stack([x, np.zeros_like(x), z], axis=1) + 0.025
    return PointCloud(xyz, (color * 255).astype(np.uint8)), picture


def test_tint_loses_the_noise_and_keeps_the_border():
    cloud, picture = painted_wall(noise=0.04)
    grid = voxelize(cloud, 0.05)
    surface = describe_surface(grid)
    inside = picture[np.argsort(grid.point_to_voxel)]
    assert grid.rgb[inside].std(axis=0).max() > 3 * surface.tint[inside].std(axis=0).max()
    means = [surface.tint[part].mean(axis=0) for part in (inside, ~inside)]
    assert np.linalg.norm(means[0] - means[1]) > 0.15


def test_edges_compare_tints_where_single_colors_are_too_noisy():
    cloud, picture = painted_wall(noise=0.04)
    grid = voxelize(cloud, 0.05)
    edges = describe_edges(grid, describe_surface(grid))
    inside = picture[np.argsort(grid.point_to_voxel)]
    across = inside[edges.pairs[:, 0]] != inside[edges.pairs[:, 1]]
    raw, even = edges.terms[:, -2], edges.terms[:, -1]
    assert even[across].mean() > 4 * even[~across].mean()
    assert raw[across].mean() < 3 * raw[~across].mean()


def test_without_color_nothing_differs_in_color():
    cloud, _ = painted_wall(noise=0.04)
    grid = voxelize(PointCloud(cloud.xyz), 0.05)
    surface = describe_surface(grid)
    assert surface.tint is None
    assert not describe_edges(grid, surface).terms[:, -2:].any()
    assert not input_features(("tint",), grid, surface).any()


def test_height_is_that_above_the_floor_wherever_the_origin_is():
    cloud, _ = painted_wall(noise=0.0)
    heights = []
    for lift in (0.0, 7.0):
        xyz = cloud.xyz + [0.0, 0.0, lift]
        grid = voxelize(PointCloud(xyz), 0.05)
        features = input_features(
            ("height",), grid, describe_surface(grid), floor_height(xyz[:, 2])
        )
        heights.append(features)
        metres = grid.centers[:, 2] * 0.05 + grid.origin[2] - lift - 0.025
        assert np.allclose(features[:, 0], np.clip(metres / 1.5, -1.0, 2.0), atol=0.01)
    assert np.allclose(heights[0], heights[1], atol=1e-4)


def test_stray_points_are_no_floor():
    xyz = np.random.default_rng(0).uniform(0, 2, (1000, 3))
    xyz[:3] = [[0, 0, -50], [0, 0, np.nan], [0, 0, -np.inf]]
    assert abs(floor_height(xyz[:, 2])) < 0.05


def test_color_terms_need_the_tint(tiny_config):
    without = tuple(name for name in tiny_config.inputs if name != "tint")
    encoder = replace(tiny_config.encoder, in_channels=tiny_config.encoder.in_channels - 3)
    with pytest.raises(ConfigError, match="add tint to them or set"):
        replace(tiny_config, inputs=without, encoder=encoder)


def test_columns_of_a_feature():
    assert feature_columns(("color", "scale", "tint"), "tint") == slice(4, 7)


def test_encoding_shows_the_network_the_height_of_the_whole_cloud(tiny_net, monkeypatch):
    cloud, _ = painted_wall(noise=0.0)
    seen: list[np.ndarray] = []
    encode = tiny_net.encode

    def watched(batch, features, centers):
        seen.append(features.numpy())
        return encode(batch, features, centers)

    monkeypatch.setattr(tiny_net, "encode", watched)
    segmenter = ClickSegmenter(tiny_net, {}, torch.device("cpu"))
    column = feature_columns(tiny_net.config.inputs, "height").start
    for below in (0.0, 1.5):
        floor = np.tile([[3.0, 0.0, -below]], (900, 1)) + np.arange(900)[:, None] * [0.05, 0, 0]
        encoding = segmenter.encode(PointCloud(np.concatenate([cloud.xyz, floor])), 0.05)
        wall = encoding.grid.point_to_voxel[: len(cloud)]
        expected = np.clip((cloud.xyz[:, 2] + below) / 1.5, -1.0, 2.0)
        assert np.allclose(seen[-1][wall, column], expected, atol=0.03)


def test_training_crops_know_the_floor_of_the_whole_scan(tiny_config, rng):
    """A tower of 6 m, of which a crop shows a part."""
    xyz = rng.uniform((0, 0, 0), (0.4, 0.4, 6.0), (20000, 3)).astype(np.float32)
    scene = Scene(
        xyz=xyz,
        rgb=None,
        instance=np.ones(len(xyz), np.int32),
        instance_class=np.array([-1, 0], np.int16),
    )
    plain = AugmentConfig(tumble=0.0, tilt_degrees=0.0, thin=0.0, scale=(1.0, 1.0))
    here = Path()
    config = TrainConfig(
        model=here, scenes=here, output=here, max_voxels=300, voxel_size=0.08, augment=plain
    )
    column = feature_columns(tiny_config.inputs, "height").start
    lowest = [
        make_sample(scene, config, tiny_config.inputs, 4000, rng).features[:, column].min()
        for _ in range(8)
    ]
    assert max(lowest) > 1.0


@pytest.mark.parametrize("frame", ["world", "camera"])
def test_training_scans_stand_up_unless_they_are_known_to(tiny_config, rng, two_boxes, frame):
    """Of a scan that lies, only that is left lying whose frame is said to have z up."""
    cloud, ids = two_boxes
    lying = Rotation.from_euler("x", 50, degrees=True).as_matrix()
    scene = Scene(
        xyz=(cloud.xyz @ lying.T).astype(np.float32),
        rgb=None,
        instance=ids + 1,
        instance_class=np.full(4, -1, np.int16),
        meta={"frame": frame},
    )
    plain = AugmentConfig(tumble=0.0, tilt_degrees=0.0, thin=0.0, scale=(1.0, 1.0))
    here = Path()
    config = TrainConfig(model=here, scenes=here, output=here, voxel_size=0.03, augment=plain)
    sample = make_sample(scene, config, tiny_config.inputs, 4000, rng)
    floor = sample.centers[sample.instance == 1][:, 2]
    assert bool(np.ptp(floor) < 3.0) is (frame == "camera")


def test_training_scans_are_bent_only_if_asked_for(tiny_config):
    """A flat floor stays flat, or waves by less than a voxel."""
    xyz = np.random.default_rng(0).uniform((0, 0, 0), (3, 3, 0), (30000, 3))
    scene = Scene(
        xyz=xyz.astype(np.float32),
        rgb=None,
        instance=np.ones(len(xyz), np.int32),
        instance_class=np.array([-1, 0], np.int16),
        meta={"frame": "world"},
    )
    here = Path()
    heights = {}
    for bend in (0.0, 0.6):
        still = AugmentConfig(
            tumble=0.0, tilt_degrees=0.0, thin=0.0, scale=(1.0, 1.0), jitter=0.0, bend=bend
        )
        config = TrainConfig(model=here, scenes=here, output=here, voxel_size=0.05, augment=still)
        heights[bend] = [
            make_sample(scene, config, tiny_config.inputs, 4000, np.random.default_rng(seed))
            .centers[:, 2]
            .std()
            for seed in range(6)
        ]
    assert max(heights[0.0]) < 0.01
    assert 0.05 < max(heights[0.6]) < 1.0
