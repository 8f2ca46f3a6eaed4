"""A cloud that was received, ready for clicks, and what is known about it at one moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from clickseg3d_core.errors import ClickError, CloudError
from clickseg3d_core.types import Clicks, PointCloud, Segmentation
from clickseg3d_ros.conversions import cloud_from_msg
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.network_process import NetworkProcess, RemoteEncoding
from clickseg3d_ros.parameters import Settings


@dataclass(slots=True, eq=False, kw_only=True)
class Scene:
    """A cloud in both worlds. Filled by the inference thread, read by the session thread.

    Attributes:
        message: The cloud as it came.
        cloud: The same for the core, N points.
        tree: Search tree over the finite points.
        rows: (F,) int64, rows of the finite points in the cloud.
        convert_ms: Time that the conversion took.
        encoding: What the network says about it, once computed.
        encode_ms: Time that the encoding took.
    """

    message: PointCloud2
    cloud: PointCloud
    tree: cKDTree
    rows: NDArray[np.int64]
    convert_ms: float
    encoding: RemoteEncoding | None = None
    encode_ms: float = 0.0

    @property
    def header(self) -> Header:
        """Header of the cloud, which everything published about it carries."""
        return self.message.header

    def snap(self, position: NDArray[np.float64], radius: float) -> int:
        """Row of the point of the cloud that is nearest to a position.

        Args:
            position: (3,) metres, cloud frame.
            radius: Farthest that it may be, metres.

        Raises:
            ClickError: if it is farther.
        """
        distance, index = self.tree.query(position)
        if distance > radius:
            raise ClickError(
                f"the click at {np.round(position, 3).tolist()} in {self.header.frame_id!r} is "
                f"{distance:.3g} m from the nearest point, click.snap_radius allows "
                f"{radius:.3g} m; click on the cloud or raise it"
            )
        return int(self.rows[index])

    def encode(self, network: NetworkProcess, frames: Frames, settings: Settings) -> RemoteEncoding:
        """The encoding, computed when first asked for.

        Args:
            network: Computes it.
            frames: Know which way is up, if `tf.up_frame` is set.
            settings: Of the node.

        Raises:
            CloudError: if the cloud cannot be encoded.
            NetworkLostError: if the network's process dies.
        """
        if self.encoding is None:
            up = settings.up
            if settings.tf_up_frame:
                up = frames.up_in(self.header, settings.tf_up_frame, settings.tf_timeout) or up
            start = time.perf_counter()
            self.encoding = network.encode(self.cloud, settings.model_voxel_size or None, up)
            self.encode_ms = 1e3 * (time.perf_counter() - start)
        return self.encoding

    def unclicked(self) -> Segmentation:
        """The segmentation without any click: all is background."""
        known = np.zeros(len(self.cloud), dtype=np.float32)
        known[self.rows] = 1.0
        labels = np.zeros(len(self.cloud), dtype=np.int32)
        return Segmentation(labels=labels, probabilities=known, instances=())


def prepare_scene(message: PointCloud2, max_points: int) -> Scene:
    """Convert a message and make it searchable.

    Args:
        message: The cloud.
        max_points: More are refused.

    Raises:
        CloudError: if the message is malformed, empty or too large.
    """
    start = time.perf_counter()
    if message.width * message.height > max_points:
        raise CloudError(
            f"the cloud says it has {message.width} x {message.height} points, at most "
            f"{max_points} are taken (input.max_points)"
        )
    cloud = cloud_from_msg(message)
    convert_ms = 1e3 * (time.perf_counter() - start)
    rows = np.flatnonzero(np.isfinite(cloud.xyz).all(axis=1))
    # Balancing costs most of the time and gains nothing for a few queries.
    tree = cKDTree(cloud.xyz[rows], balanced_tree=False, compact_nodes=False)
    return Scene(message=message, cloud=cloud, tree=tree, rows=rows, convert_ms=convert_ms)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """What the outputs show at one moment.

    Attributes:
        scene: The cloud.
        segmentation: Of that cloud.
        segmented_clicks: The clicks that gave the segmentation.
        clicks: All clicks, also those that are still being computed.
        active_id: Object that the next click marks; 0 is background.
        revision: Number of the segmentation in this session.
        inference_ms: Time of the decoder.
    """

    scene: Scene
    segmentation: Segmentation
    segmented_clicks: Clicks
    clicks: Clicks
    active_id: int
    revision: int
    inference_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickRequest:
    """A click as it came.

    Attributes:
        frame: Its frame; empty for that of the cloud.
        position: x, y, z in metres.
        target: Object id, 0 for background, ACTIVE or NEW.
        fault: Why the message is no click; empty if it is one.
        received: `time.monotonic` when it came, seconds.
    """

    frame: str
    position: tuple[float, float, float]
    target: int
    fault: str = ""
    received: float = field(default_factory=time.monotonic)


ACTIVE = -1
NEW = -2
