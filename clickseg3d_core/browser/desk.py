"""What a click in the browser does: clicks in, answer out, all of it saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import ClickError
from clickseg3d_core.io import CloudFile, write_cloud
from clickseg3d_core.session import ClickSession
from clickseg3d_core.types import BACKGROUND_ID, Clicks, Segmentation

Owner = Literal["current", "new", "background"]


class Segments(Protocol):
    """A segmenter as `ClickSegmenter` and `CloseUp` are."""

    def segment(self, encoding: Any, clicks: Clicks) -> Segmentation:
        """Answer all clicks."""


class ClickDesk:
    """The work on one cloud, without a page.

    Args:
        file: The cloud and its file.
        segmenter: Answers clicks.
        encoding: Of the cloud, from the same segmenter.
        session: Clicks to go on from.
        kept: Where clicks are saved after every action.
    """

    def __init__(
        self,
        file: CloudFile,
        segmenter: Segments,
        encoding: Any,
        session: ClickSession,
        kept: Path,
    ) -> None:
        self.file, self.session = file, session
        self._segmenter, self._encoding, self._kept = segmenter, encoding, kept
        self.result: Segmentation | None = self._answered()

    @property
    def labels(self) -> NDArray[np.int32]:
        """(N,) int32 object of each point, 0 = none."""
        if self.result is None:
            return np.zeros(len(self.file.cloud), dtype=np.int32)
        return self.result.labels

    def click(self, row: int, owner: Owner = "current") -> None:
        """Click a point.

        Args:
            row: Of the cloud.
            owner: The current object, a new one, or what is no object.

        Raises:
            ClickError: if the answer to it fails; the click is then taken back.
        """
        place = self.file.cloud.xyz[row].tolist()
        if owner == "new":
            self.session.add(place, self.session.fresh_object)
        else:
            self.session.add(place, BACKGROUND_ID if owner == "background" else None)
        try:
            self._update()
        except ClickError:
            self.session.undo()
            raise

    def undo(self) -> None:
        """Take back the last action, if there is one."""
        self.session.undo()
        self._update()

    def redo(self) -> None:
        """Do the last undone action again, if there is one."""
        self.session.redo()
        self._update()

    def begin(self) -> None:
        """Make a new object the one that further clicks mark."""
        self.session.new_object()

    def select(self, object_id: int) -> None:
        """Make an object the one that further clicks mark."""
        self.session.select_object(object_id)

    def remove(self, object_id: int) -> None:
        """Take all clicks of an object away; nothing happens if it has none."""
        if object_id in self.session.object_ids:
            self.session.remove_object(object_id)
            self._update()

    def save(self, output: Path) -> None:
        """Write the cloud with the answer.

        Raises:
            FileFormatError: if it cannot be written.
            ClickError: if nothing was clicked.
        """
        if self.result is None:
            raise ClickError("no object was clicked; click one before saving")
        write_cloud(output, self.file, self.result)

    def _update(self) -> None:
        self.result = self._answered()
        self.session.save(self._kept)

    def _answered(self) -> Segmentation | None:
        if not self.session.object_ids:
            return None
        return self._segmenter.segment(self._encoding, self.session.clicks)
