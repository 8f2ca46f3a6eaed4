"""One episode: a user clicks until the clicks are used up or nothing is left to correct."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.clicks import SimulatedClick
from clickseg3d_core.evaluation.protocol import Protocol
from clickseg3d_core.evaluation.user import User
from clickseg3d_core.evaluation.view import View
from clickseg3d_core.types import Clicks

Named = tuple[str, float, float]
"""What a method says of an object: class name ("" = none), class score and mask score in 0..1."""

NAMELESS: Named = ("", 0.0, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """What a method answers to a set of clicks.

    Attributes:
        labels: (N,) int32: object id of each point, 0 = background.
        named: What it says of each clicked object, by id.
    """

    labels: NDArray[np.int32]
    named: dict[int, Named]


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """A click of the trace.

    Attributes:
        position: Metres, frame of the cloud.
        label: Number of the object, 1..O; 0 = background.
        row: Row of the clicked point in the cloud.
    """

    position: tuple[float, float, float]
    label: int
    row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What happened in an episode with O objects; R rounds.

    Attributes:
        clicks: All clicks in order.
        counts: (R,) clicks counted so far in each round, from 0. The count goes on by O after the
            first round and by 1 later; the last round stands for all later ones.
        iou: (R, O) IoU of each object; None for an object without points.
        recall: (R, O) part of each object that was found; None for an object without points.
        named: What the method said of the objects, by count: at 1, 2, ... clicks per object and in
            the last round.
        segment_s: Seconds of each answer.
        user_s: Seconds that the simulation of the user and the scoring took.
    """

    clicks: tuple[Click, ...]
    counts: tuple[int, ...]
    iou: tuple[tuple[float | None, ...], ...]
    recall: tuple[tuple[float | None, ...], ...]
    named: dict[int, tuple[Named, ...]]
    segment_s: tuple[float, ...]
    user_s: float


def painted(
    protocol: Protocol,
    labels: NDArray[np.int32],
    clicks: list[Click],
    xyz: NDArray[np.float64],
    view: View,
) -> NDArray[np.int64]:
    """(N,) int64: an answer with the clicks' own worth, see `Protocol.painted`."""
    full = labels.astype(np.int64)
    if protocol.painted == "voxel":
        seen = full[view.rows]
        for click in clicks:
            seen[view.owner[click.row]] = click.label
        return np.append(seen, 0)[view.owner]  # -1 reads the padding
    if protocol.painted == "cube":
        for click in sorted(clicks, key=lambda c: c.label == 0):
            full[(np.abs(xyz - xyz[click.row]) < protocol.cube).all(axis=1)] = click.label
    return full


def measures(
    truth: NDArray[np.int64], labels: NDArray[np.int64], objects: int
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """IoU and recall of each object over all points; None for an object without points.

    Args:
        truth: (N,) int64 in 0..O.
        labels: (N,) int64 in 0..O.
        objects: O.
    """
    width = objects + 1
    table = np.bincount(truth * width + labels, minlength=width * width).reshape(width, width)
    iou: list[float | None] = []
    recall: list[float | None] = []
    for i in range(1, width):
        common, own, given = int(table[i, i]), int(table[i].sum()), int(table[:, i].sum())
        iou.append(common / (own + given - common) if own else None)
        recall.append(common / own if own else None)
    return tuple(iou), tuple(recall)


def play(
    protocol: Protocol,
    user: User,
    segment: Callable[[Clicks], Answer],
    xyz: NDArray[np.float64],
    view: View,
    truth: NDArray[np.int64],
    objects: int,
) -> Course:
    """Play one episode.

    Args:
        protocol: The rules.
        user: Who clicks.
        segment: Answers clicks on the cloud.
        xyz: (N, 3) float64, metres.
        view: What the user sees of the cloud.
        truth: (N,) int64, objects 1..O, 0 = background.
        objects: O, with which clicks are counted, also if an object has no points.

    Returns:
        The course. Once the user is content nothing can change any more, and the rounds end.
    """
    answer = Answer(labels=np.zeros(len(truth), dtype=np.int32), named={})
    clicks: list[Click] = []
    counts: list[int] = []
    ious, recalls, segment_s = [], [], []
    named: dict[int, tuple[Named, ...]] = {}
    started, count = time.perf_counter(), 0
    while True:
        labels = painted(protocol, answer.labels, clicks, xyz, view)
        iou, recall = measures(truth, labels, objects)
        counts.append(count)
        ious.append(iou)
        recalls.append(recall)
        step = 1 if count else objects
        spent = count + step > objects * protocol.clicks
        new = [] if spent else _new_clicks(user, truth[view.rows], labels[view.rows], count == 0)
        if count and (count % objects == 0 or not new):
            named[count] = tuple(answer.named.get(i, NAMELESS) for i in range(1, objects + 1))
        if not new:
            break
        clicks += [_recorded(click, xyz, view) for click in new]
        asked = time.perf_counter()
        answer = segment(_as_input(clicks))
        segment_s.append(time.perf_counter() - asked)
        count += step
    return Course(
        clicks=tuple(clicks),
        counts=tuple(counts),
        iou=tuple(ious),
        recall=tuple(recalls),
        named=named,
        segment_s=tuple(segment_s),
        user_s=time.perf_counter() - started - sum(segment_s),
    )


def _new_clicks(
    user: User, truth: NDArray[np.int64], prediction: NDArray[np.int64], first: bool
) -> list[SimulatedClick]:
    if first:
        return user.first(truth)
    click = user.next(truth, prediction)
    return [] if click is None else [click]


def _as_input(clicks: list[Click]) -> Clicks:
    positions = np.array([click.position for click in clicks], dtype=np.float64)
    return Clicks(positions, np.array([click.label for click in clicks], dtype=np.int64))


def _recorded(click: SimulatedClick, xyz: NDArray[np.float64], view: View) -> Click:
    row = int(view.rows[click.index])
    x, y, z = (float(v) for v in xyz[row])
    return Click(position=(x, y, z), label=click.label, row=row)
