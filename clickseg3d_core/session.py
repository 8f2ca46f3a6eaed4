"""What an interactive front end knows about the user's clicks, with undo for every action."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from clickseg3d_core.atomic import replacing
from clickseg3d_core.errors import ClickError, FileFormatError
from clickseg3d_core.types import BACKGROUND_ID, Clicks

FORMAT_VERSION = 1
_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Click:
    """One click.

    Attributes:
        position: x, y, z in metres, frame of the cloud.
        object_id: The object it marks, or 0 for background.
    """

    position: tuple[float, float, float]
    object_id: int


@dataclass(frozen=True, slots=True)
class SessionState:
    """All that an action can change.

    Attributes:
        clicks: In the order they were made.
        current_object: The object that the next click marks; 0 is background.
    """

    clicks: tuple[Click, ...] = ()
    current_object: int = 1


class ClickSession:
    """The clicks of one user on one cloud: a state machine without a model.

    Every action is one step of `undo`. States are immutable, so what was read stays as it was.
    An action that changes nothing makes no step.
    """

    def __init__(self, state: SessionState | None = None) -> None:
        """Begin with `state`, or with no clicks and object 1 current."""
        self._state = state if state is not None else SessionState()
        self._past: list[SessionState] = []
        self._future: list[SessionState] = []

    @property
    def state(self) -> SessionState:
        """The present state, immutable."""
        return self._state

    @property
    def clicks(self) -> Clicks:
        """All clicks: positions (K, 3) float64, metres, cloud frame, and object_ids (K,) int64."""
        made = self._state.clicks
        return Clicks(
            np.array([c.position for c in made], dtype=np.float64),
            np.array([c.object_id for c in made], dtype=np.int64),
        )

    @property
    def current_object(self) -> int:
        """The object that the next click marks; 0 is background."""
        return self._state.current_object

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that have a click, ascending, without background."""
        return tuple(sorted({c.object_id for c in self._state.clicks} - {BACKGROUND_ID}))

    @property
    def fresh_object(self) -> int:
        """The lowest id above all used ones.

        Raises:
            ClickError: if there is none left.
        """
        return _checked_id(max(self.object_ids, default=0) + 1)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would change something."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would change something."""
        return bool(self._future)

    def __len__(self) -> int:
        return len(self._state.clicks)

    def add(self, position: Sequence[float], object_id: int | None = None) -> int:
        """Add a click and make its object current; return the click's index.

        Args:
            position: x, y, z in metres, frame of the cloud.
            object_id: Object to mark, 0 for background, None for the current object.

        Raises:
            ClickError: if the position is not three finite numbers or the id is not valid.
        """
        owner = self._state.current_object if object_id is None else _checked_id(object_id)
        click = Click(_checked_position(position), owner)
        current = self._state.current_object if owner == BACKGROUND_ID else owner
        self._become(SessionState((*self._state.clicks, click), current))
        return len(self._state.clicks) - 1

    def new_object(self) -> int:
        """Make the lowest id above all used ones current and return it."""
        fresh = self.fresh_object
        self._become(replace(self._state, current_object=fresh))
        return fresh

    def select_object(self, object_id: int) -> None:
        """Make an object current; 0 makes the next clicks background clicks.

        Raises:
            ClickError: if the id is not valid.
        """
        self._become(replace(self._state, current_object=_checked_id(object_id)))

    def move_click(self, index: int, object_id: int) -> None:
        """Give a click to another object; its position stays.

        Raises:
            ClickError: if there is no such click or the id is not valid.
        """
        clicks = list(self._state.clicks)
        if not 0 <= index < len(clicks):
            raise ClickError(f"click index must be 0..{len(clicks) - 1}, got {index!r}")
        clicks[index] = replace(clicks[index], object_id=_checked_id(object_id))
        self._become(replace(self._state, clicks=tuple(clicks)))

    def remove_object(self, object_id: int) -> None:
        """Remove all clicks of an object, or all background clicks with id 0.

        Raises:
            ClickError: if the object has no clicks.
        """
        kept = tuple(c for c in self._state.clicks if c.object_id != _checked_id(object_id))
        if len(kept) == len(self._state.clicks):
            raise ClickError(f"object {object_id} has no clicks; objects are {self.object_ids}")
        self._become(replace(self._state, clicks=kept))

    def clear(self) -> None:
        """Remove all clicks and begin with object 1 again."""
        self._become(SessionState())

    def undo(self) -> bool:
        """Take back the last action; return False when there is none."""
        return self._travel(self._past, self._future)

    def redo(self) -> bool:
        """Do the last undone action again; return False when there is none."""
        return self._travel(self._future, self._past)

    def to_json(self) -> str:
        """The present state as JSON text; the undo history is not part of it."""
        return json.dumps(
            {
                "version": FORMAT_VERSION,
                "current_object": self._state.current_object,
                "clicks": [
                    {"position": list(c.position), "object_id": c.object_id}
                    for c in self._state.clicks
                ],
            },
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> ClickSession:
        """Read what `to_json` wrote.

        Raises:
            FileFormatError: if the text is not a session of this version.
            ClickError: if a click in it is not valid.
        """
        return cls(_state_from(text))

    def save(self, path: Path) -> None:
        """Write the session, whole or not at all.

        Raises:
            FileFormatError: if the file cannot be written.
        """
        with replacing(path) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ClickSession:
        """Read a session file.

        Raises:
            FileFormatError: if the file cannot be read or is no session of this version.
            ClickError: if a click in it is not valid.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"session file {path} cannot be read ({error})") from error
        try:
            return cls.from_json(text)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error
        except ClickError as error:
            raise ClickError(f"{path}: {error}") from error

    def _become(self, state: SessionState) -> None:
        if state == self._state:
            return
        self._past.append(self._state)
        self._future.clear()
        self._state = state

    def _travel(self, source: list[SessionState], target: list[SessionState]) -> bool:
        if not source:
            return False
        target.append(self._state)
        self._state = source.pop()
        return True


def _checked_id(object_id: object) -> int:
    if isinstance(object_id, bool) or not isinstance(object_id, SupportsIndex):
        raise ClickError(f"object id must be an integer, got {object_id!r:.40}")
    value = operator.index(object_id)
    if not 0 <= value <= _MAX_ID:
        raise ClickError(f"object id must be 0 (background) or 1..{_MAX_ID}, got {value}")
    return value


def _checked_position(position: object) -> tuple[float, float, float]:
    try:
        if isinstance(position, str):
            raise TypeError("text")
        x, y, z = (float(value) for value in position)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError) as error:
        raise ClickError(
            f"a click position is three numbers x, y, z in metres, got {position!r:.60}"
        ) from error
    if not all(math.isfinite(value) for value in (x, y, z)):
        raise ClickError(f"a click position must be finite, got ({x}, {y}, {z})")
    return x, y, z


def _state_from(text: str) -> SessionState:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"not a session: no valid JSON ({error})") from error
    _check_keys(data, {"version", "current_object", "clicks"}, "a session")
    if data["version"] != FORMAT_VERSION or isinstance(data["version"], bool):
        raise FileFormatError(
            f"session version must be {FORMAT_VERSION}, got {data['version']!r:.40}; save it again "
            "with this version of clickseg3d"
        )
    if not isinstance(data["clicks"], list):
        raise FileFormatError(f"clicks must be a list, got {type(data['clicks']).__name__}")
    return SessionState(
        tuple(_click_from(entry) for entry in data["clicks"]), _checked_id(data["current_object"])
    )


def _click_from(entry: object) -> Click:
    _check_keys(entry, {"position", "object_id"}, "a click")
    assert isinstance(entry, dict)
    position = entry["position"]
    if not isinstance(position, list) or any(isinstance(v, str | bool) for v in position):
        raise ClickError(f"a click position is a list of three numbers, got {position!r:.60}")
    return Click(_checked_position(position), _checked_id(entry["object_id"]))


def _check_keys(data: object, keys: set[str], what: str) -> None:
    if not isinstance(data, dict):
        raise FileFormatError(f"{what} must be a JSON object, got {type(data).__name__}")
    if set(data) != keys:
        raise FileFormatError(f"{what} has the keys {sorted(keys)}, got {sorted(data)}")
