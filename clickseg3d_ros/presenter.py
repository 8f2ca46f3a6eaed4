"""Keeps what is shown: each result, and between results the clicks and the active object of now."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

from clickseg3d_core.types import Clicks, Segmentation
from clickseg3d_ros.scene import Scene, View
from clickseg3d_ros.status import Status


class Screen(Protocol):
    """Where views are shown."""

    def show(self, view: View) -> None:
        """Show a view."""


class Presenter:
    """Makes views and shows them. For the session thread.

    Args:
        screen: Gets the views.
        status: Gets counts and times.
    """

    def __init__(self, screen: Screen, status: Status) -> None:
        self._screen = screen
        self._status = status
        self._revision = 0
        self.view: View | None = None

    def show_result(
        self,
        scene: Scene,
        segmentation: Segmentation,
        segmented_clicks: Clicks,
        *,
        clicks: Clicks,
        active_id: int,
        inference_ms: float = 0.0,
    ) -> None:
        """Show a new segmentation; see `View` for the arguments."""
        self._revision += 1
        self._status.results += 1
        self._show(
            View(
                scene=scene,
                segmentation=segmentation,
                segmented_clicks=segmented_clicks,
                clicks=clicks,
                active_id=active_id,
                revision=self._revision,
                inference_ms=inference_ms,
            )
        )

    def refresh(self, scene: Scene, *, clicks: Clicks, active_id: int, keep: bool) -> None:
        """Show the last segmentation with other clicks or another active object.

        Args:
            scene: The held cloud.
            clicks: All clicks, in its frame.
            active_id: Object that the next click marks.
            keep: Whether the last segmentation stays although it is of another cloud.
        """
        view = self.view
        if view is None or (view.scene is not scene and not keep):
            nothing = scene.unclicked()
            view = View(
                scene=scene,
                segmentation=nothing,
                segmented_clicks=clicks,
                clicks=clicks,
                active_id=active_id,
                revision=self._revision,
            )
        self._show(replace(view, clicks=clicks, active_id=active_id))

    def _show(self, view: View) -> None:
        start = time.perf_counter()
        self.view = view
        self._screen.show(view)
        self._status.publish_ms = 1e3 * (time.perf_counter() - start)
