"""One pass of the decoder over a prepared cloud."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.session import Click
from clickseg3d_core.types import Clicks, Segmentation
from clickseg3d_ros.network_process import NetworkProcess
from clickseg3d_ros.parameters import Settings
from clickseg3d_ros.scene import Scene


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """What the inference thread gets to compute.

    Attributes:
        scene: The cloud.
        clicks: In its frame.
        made: The same as the session has them.
        motion: How the sensor had moved by that cloud, (4, 4).
        epoch: Results of an earlier epoch are not shown.
    """

    scene: Scene
    clicks: Clicks
    made: tuple[Click, ...]
    motion: NDArray[np.float64]
    epoch: int


def decode(network: NetworkProcess, task: Task, settings: Settings) -> tuple[Segmentation, float]:
    """Segment; encode before if that was not done yet.

    Returns:
        The segmentation and the time of the decoder, milliseconds.

    Raises:
        ClickSegError: if the cloud or the clicks cannot be used.
    """
    encoding = task.scene.encode(network, settings.model_voxel_size)
    reach = max(settings.track_max_step, settings.click_snap_radius)
    clicks = _on_cloud(task.scene, task.clicks, reach)
    start = time.perf_counter()
    result = network.segment(encoding, clicks)
    return result, 1e3 * (time.perf_counter() - start)


def _on_cloud(scene: Scene, clicks: Clicks, reach: float) -> Clicks:
    """Clicks moved to the nearest point; those with none in reach are left out."""
    distances, index = (np.asarray(a) for a in scene.tree.query(clicks.positions))
    near = distances <= reach
    return Clicks(scene.cloud.xyz[scene.rows[index[near]]], clicks.object_ids[near])
