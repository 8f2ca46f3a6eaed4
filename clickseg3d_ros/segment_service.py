"""The ~/segment service: cloud and clicks in, labels and instances out, without the session."""

from __future__ import annotations

import time

import numpy as np
from sensor_msgs.msg import PointCloud2

from clickseg3d_core.errors import ClickSegError, CloudError
from clickseg3d_core.types import Clicks
from clickseg3d_ros.clicking import locate
from clickseg3d_ros.conversions import clicks_from_msgs, instances_msg, segmented_msg
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.msg import Click
from clickseg3d_ros.network_process import NetworkProcess
from clickseg3d_ros.parameters import Settings
from clickseg3d_ros.scene import ClickRequest, Scene, prepare_scene
from clickseg3d_ros.srv import Segment


def answer(
    request: Segment.Request,
    held: Scene | None,
    *,
    network: NetworkProcess,
    frames: Frames,
    settings: Settings,
) -> Segment.Response:
    """Serve one request, in the inference thread. What is wrong with it becomes the message."""
    try:
        return _answer(request, held, network, frames, settings)
    except ClickSegError as error:
        return Segment.Response(success=False, message=str(error))


def _answer(
    request: Segment.Request,
    held: Scene | None,
    network: NetworkProcess,
    frames: Frames,
    settings: Settings,
) -> Segment.Response:
    scene = _scene(request.cloud, held, settings)
    ids = clicks_from_msgs(request.clicks, active=1).object_ids
    rows = [locate(_request(click), scene, frames, settings) for click in request.clicks]
    clicks = Clicks(scene.cloud.xyz[np.array(rows, dtype=np.int64)], ids)
    encoding = scene.encode(network, frames, settings)
    start = time.perf_counter()
    result = network.segment(encoding, clicks)
    elapsed_ms = 1e3 * (time.perf_counter() - start)
    response = Segment.Response(success=True)
    response.instances = instances_msg(
        scene.header,
        result,
        clicks,
        active_id=1,
        revision=0,
        inference_ms=elapsed_ms,
        source=scene.message if request.return_instance_clouds else None,
    )
    if request.return_cloud:
        response.segmented = segmented_msg(
            scene.message, result, scene.cloud, settings.output_field_name
        )
    response.message = f"{len(result.instances)} objects in {len(scene.cloud)} points"
    return response


def _scene(cloud: PointCloud2, held: Scene | None, settings: Settings) -> Scene:
    if cloud.width * cloud.height == 0 and not cloud.data:
        if held is None:
            raise CloudError("the request has no cloud and the node holds none; send one")
        return held
    return prepare_scene(cloud, settings.input_max_points)


def _request(click: Click) -> ClickRequest:
    p = click.position
    return ClickRequest(frame=click.header.frame_id, position=(p.x, p.y, p.z), target=0)
