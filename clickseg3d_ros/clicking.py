"""What a click marks: which point and which object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import ClickError
from clickseg3d_core.session import ClickSession
from clickseg3d_ros.frames import Frames
from clickseg3d_ros.parameters import Settings
from clickseg3d_ros.scene import ACTIVE, NEW, ClickRequest, Scene


def locate(request: ClickRequest, scene: Scene, frames: Frames, settings: Settings) -> int:
    """Row of the point of the cloud that was clicked. May wait for TF.

    Raises:
        ClickError: if there is no transform, no point within the snap radius, or the position is
            not finite.
    """
    position = np.array(request.position, dtype=np.float64)
    if not np.isfinite(position).all():
        raise ClickError(f"a click must be three finite numbers, got {position.tolist()}")
    if request.frame:
        transform = frames.into_cloud(request.frame, scene.header, settings.tf_timeout)
        position = transform[:3, :3] @ position + transform[:3, 3]
    return scene.snap(position, settings.click_snap_radius)


def chosen_object(
    target: int,
    row: int,
    session: ClickSession,
    labels: NDArray[np.int32] | None,
    settings: Settings,
) -> int:
    """The object that a click marks, 0 for background.

    Args:
        target: Object id, 0, ACTIVE or NEW.
        row: The clicked point.
        session: The session before the click.
        labels: (N,) int32, object of each point of the cloud, if known.
        settings: For the policy and the limit.

    Raises:
        ClickError: if there would be too many objects.
    """
    ids = session.object_ids
    if target == NEW:
        target = max(ids, default=0) + 1
    elif target == ACTIVE:
        target = session.current_object
        if settings.click_policy == "owner" and labels is not None:
            target = int(labels[row]) or target
    if target not in ids and target and len(ids) >= settings.click_max_instances:
        raise ClickError(
            f"there are {len(ids)} objects, click.max_instances allows no more; remove one"
        )
    return target
