"""Clicks as they are typed on a command line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from clickseg3d_core.errors import ClickError
from clickseg3d_core.session import ClickSession
from clickseg3d_core.types import BACKGROUND_ID

Position = tuple[float, float, float]


def parse_click(text: str) -> tuple[int | None, Position]:
    """Read X,Y,Z or ID:X,Y,Z.

    Returns:
        The object id, None if not given, and the position in metres.

    Raises:
        ClickError: if the text is anything else or a number is not finite.
    """
    head, separator, tail = text.rpartition(":")
    try:
        x, y, z = (float(number) for number in tail.split(","))
        object_id = int(head) if separator else None
    except ValueError as error:
        raise ClickError(
            f"a click is X,Y,Z or ID:X,Y,Z in metres, like 0.4,-0.1,0.2 or 2:0.4,-0.1,0.2; got "
            f"{text!r}"
        ) from error
    if not all(math.isfinite(number) for number in (x, y, z)):
        raise ClickError(f"a click needs finite numbers of metres, got {text!r}")
    return object_id, (x, y, z)


def add_clicks(
    session: ClickSession, object_clicks: Sequence[str], background: Iterable[str]
) -> None:
    """Add typed clicks to a session.

    A click without id becomes an object of its own, numbered with the ids that nobody uses.

    Raises:
        ClickError: if a click cannot be read, or a background click has an id.
    """
    parsed = [parse_click(text) for text in object_clicks]
    used = {*session.object_ids, *(i for i, _ in parsed if i is not None)}
    for object_id, position in parsed:
        if object_id is None:
            object_id = next(i for i in range(1, len(used) + 2) if i not in used)
            used.add(object_id)
        session.add(position, object_id)
    for text in background:
        object_id, position = parse_click(text)
        if object_id is not None:
            raise ClickError(f"a background click is X,Y,Z without an id, got {text!r}")
        session.add(position, BACKGROUND_ID)
