"""The page: a cloud to click on, and what was answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.browser.desk import ClickDesk, Owner
from clickseg3d_core.browser.picking import picked
from clickseg3d_core.errors import ClickSegError
from clickseg3d_core.picture import base_colors, object_colors, tinted
from clickseg3d_core.splat import choose_view, is_room

MOST_SHOWN = 600_000
"""Points that the page shows at most, drawn at random; the answer has all of them."""

_HELP = """Click on an object: it is marked. A further click on the same object mends it.
**Shift**-click: a new object. **Ctrl**-click: what is no object. Drag to turn, right-drag to
move."""
_NONE = "none yet"
_MARK = 0.3
"""Brightness of a click's mark, of its object's color."""


class Page:
    """A page of a viser server.

    Args:
        server: A `viser.ViserServer`.
        desk: What clicks do.
        upright: (3, 3) float64 rotation that turns z up.
        point_size: Metres.
        output: Where "Save" writes.
    """

    def __init__(
        self,
        server: Any,
        desk: ClickDesk,
        upright: NDArray[np.float64],
        point_size: float,
        output: Path,
    ) -> None:
        self.desk, self._output, self._size, self._lock = desk, output, point_size, Lock()
        xyz = desk.file.cloud.xyz
        rows = np.flatnonzero(np.isfinite(xyz).all(axis=1))
        if len(rows) > MOST_SHOWN:
            chosen = np.random.default_rng(0).choice(len(rows), MOST_SHOWN, replace=False)
            rows = rows[np.sort(chosen)]
        turned = xyz[rows] @ upright.T
        self._upright, self._center = upright, turned.mean(axis=0)
        self._rows, self._xyz = rows, turned - self._center
        rgb = desk.file.cloud.rgb
        self._base = base_colors(self._xyz, None if rgb is None else rgb[rows])
        self._marks: Any = None
        self._server: Any = server
        self._look()
        self._lay_out()
        self._show()

    def click(
        self, origin: NDArray[np.float64], direction: NDArray[np.float64], owner: Owner
    ) -> None:
        """Click where a ray meets the cloud; nothing happens if it meets nothing.

        Args:
            origin: (3,) metres, frame of the page.
            direction: (3,) of the ray.
            owner: Whose click it is.
        """
        seen = np.flatnonzero(self._seen())
        found = picked(self._xyz[seen], origin, direction, self._size)
        if found is not None:
            row = int(self._rows[seen[found]])
            self._do(lambda: self.desk.click(row, owner))

    def _seen(self) -> NDArray[np.bool_]:
        """(N',) bool: points of the page that are not hidden."""
        return np.asarray(self._xyz[:, 2] <= self._top.value)

    def _look(self) -> None:
        """Stand where little hides the rest."""
        few = self._xyz[:: max(len(self._xyz) // 20_000, 1)]
        view = choose_view(few, np.empty((0, 3)), room=is_room(few))
        distance = 0.7 * float(np.linalg.norm(np.percentile(few, 98, axis=0) * 2.0))
        camera = self._server.initial_camera
        camera.position, camera.look_at = view.axes[2] * max(distance, 0.1), np.zeros(3)
        self._server.scene.set_up_direction("+z")

    def _lay_out(self) -> None:
        gui: Any = self._server.gui
        low, high = float(self._xyz[:, 2].min()), float(self._xyz[:, 2].max())
        gui.add_markdown(_HELP)
        self._object = gui.add_dropdown("Object", [_NONE], initial_value=_NONE)
        self._object.on_update(lambda _: self._select())
        for name, action in (
            ("New object", self.desk.begin),
            ("Undo", self.desk.undo),
            ("Redo", self.desk.redo),
            ("Remove object", lambda: self.desk.remove(self.desk.session.current_object)),
            ("Save", self._save),
        ):
            gui.add_button(name).on_click(self._button(action))
        open_top = high - 0.12 * (high - low) if is_room(self._xyz) else high
        self._top = gui.add_slider(
            "Hide above, m",
            min=round(low, 2),
            max=round(high + 0.01, 2),
            step=0.01,
            initial_value=round(open_top + 0.01, 2),
        )
        self._top.on_update(lambda _: self._do(lambda: None))
        self._note = gui.add_markdown("")
        self._answer = gui.add_markdown("")
        scene = self._server.scene
        owners: tuple[tuple[str | None, Owner], ...] = (
            (None, "current"),
            ("shift", "new"),
            ("cmd/ctrl", "background"),
        )
        for modifier, owner in owners:
            scene.on_click(modifier=modifier)(self._clicked(owner))

    def _clicked(self, owner: Owner) -> Callable[[Any], None]:
        def act(event: Any) -> None:
            self.click(np.array(event.ray_origin), np.array(event.ray_direction), owner)

        return act

    def _button(self, action: Callable[[], None]) -> Callable[[Any], None]:
        return lambda _: self._do(action)

    def _select(self) -> None:
        chosen = str(self._object.value).split()[0]
        if chosen.isdigit() and int(chosen) != self.desk.session.current_object:
            self._do(lambda: self.desk.select(int(chosen)))

    def _save(self) -> None:
        self.desk.save(self._output)
        self._note.content = f"saved {self._output.name}"

    def _do(self, action: Callable[[], None]) -> None:
        """One action at a time; what goes wrong is said on the page."""
        with self._lock:
            self._note.content = ""
            try:
                action()
            except ClickSegError as error:
                self._note.content = f"**{error}**"
            self._show()

    def _show(self) -> None:
        desk, session = self.desk, self.desk.session
        colors = object_colors([*session.object_ids, session.current_object])
        seen = self._seen()
        labels = desk.labels[self._rows]
        drawn = tinted(self._base, labels, colors) if (labels > 0).any() else self._base
        self._server.scene.add_point_cloud(
            "/cloud",
            self._xyz[seen].astype(np.float32),
            drawn[seen],
            point_size=self._size,
            point_shape="circle",
            precision="float32",
        )
        self._show_clicks(colors)
        result = desk.result
        names = {} if result is None else {i.id: i for i in result.instances}
        ids = sorted({*session.object_ids, session.current_object} - {0})
        options = [f"{i} {names[i].class_name if i in names else ''}".strip() for i in ids]
        self._object.options = options or [_NONE]
        if session.current_object in ids:
            self._object.value = options[ids.index(session.current_object)]
        rows = [
            f"| {i} | {names[i].class_name} | {names[i].point_count:,} |" for i in ids if i in names
        ]
        self._answer.content = "\n".join(["| object | class | points |", "|--|--|--|", *rows])

    def _show_clicks(self, colors: dict[int, tuple[int, int, int]]) -> None:
        if self._marks is not None:
            self._marks.remove()
            self._marks = None
        clicks = self.desk.session.clicks
        if len(clicks.positions) == 0:
            return  # viser draws no cloud of no points
        dark = np.array([colors[i] for i in clicks.object_ids.tolist()]) * _MARK
        self._marks = self._server.scene.add_point_cloud(
            "/clicks",
            (clicks.positions @ self._upright.T - self._center).astype(np.float32),
            dark.astype(np.uint8),
            point_size=3.0 * self._size,
            point_shape="circle",
            precision="float32",
        )
