"""The click trace: a JSONL file from which every figure can be computed again.

The first line tells what ran (`TraceHeader`), each further line is one episode (`EpisodeRecord`).
Lines are appended as episodes end, so that a run can be cut short and resumed; a last line that was
cut short itself is as good as none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clickseg3d_core.atomic import replacing
from clickseg3d_core.config import from_dict, to_dict
from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.evaluation.episode import Course
from clickseg3d_core.evaluation.protocol import Protocol
from clickseg3d_core.evaluation.stage import Target

FORMAT = "clickseg3d-trace-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceHeader:
    """What ran.

    Attributes:
        protocol: The rules.
        data: Name of the data set.
        method: Facts of the method, see `methods.Method`.
        seed: Seed of users who click at random.
        class_map: Names of the method's classes, by those of the data where they differ.
        keys: Every episode of the run, in order.
        about: What to call it in tables; changes no figure.
    """

    protocol: Protocol
    data: str
    method: Mapping[str, Any]
    seed: int
    class_map: Mapping[str, str]
    keys: tuple[str, ...]
    about: Mapping[str, Any]

    def settings(self) -> dict[str, Any]:
        """All that figures depend on, as plain values; equal for the parts of one run."""
        return {name: value for name, value in _plain(self).items() if name != "about"}


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeRecord:
    """One episode.

    Attributes:
        key: Name of the episode.
        scene: Name of the scene it was played in.
        targets: Its O objects; label i of a click is object i - 1 here.
        clicks: (K,) position in metres, label (0 = background) and row of each clicked point.
        counts: (R,) see `Course`; empty if the protocol left the object out.
        iou: (R, O).
        recall: (R, O).
        named: By count: class name, class score, mask score of each object.
        cost: Seconds and megabytes, by what they were spent on; the only values that differ from
            run to run.
    """

    key: str
    scene: str
    targets: tuple[Target, ...]
    clicks: tuple[tuple[tuple[float, float, float], int, int], ...]
    counts: tuple[int, ...]
    iou: tuple[tuple[float | None, ...], ...]
    recall: tuple[tuple[float | None, ...], ...]
    named: Mapping[int, tuple[tuple[str, float, float], ...]]
    cost: Mapping[str, Any]


def record_of(
    key: str,
    scene: str,
    targets: tuple[Target, ...],
    course: Course | None,
    cost: Mapping[str, Any],
) -> EpisodeRecord:
    """The record of a played episode; without a course, of one that the protocol leaves out."""
    if course is None:
        return EpisodeRecord(
            key=key, scene=scene, targets=targets, clicks=(), counts=(), iou=(), recall=(),
            named={}, cost=cost,
        )  # fmt: skip
    return EpisodeRecord(
        key=key,
        scene=scene,
        targets=targets,
        clicks=tuple((c.position, c.label, c.row) for c in course.clicks),
        counts=course.counts,
        iou=course.iou,
        recall=course.recall,
        named=course.named,
        cost={**cost, "segment_s": course.segment_s, "user_s": course.user_s},
    )


def header_line(header: TraceHeader) -> str:
    """The first line of a trace."""
    return json.dumps({"format": FORMAT, **_plain(header)}) + "\n"


def record_line(record: EpisodeRecord) -> str:
    """The line of an episode."""
    return json.dumps(asdict(record), allow_nan=False) + "\n"


def write_trace(path: Path, header: TraceHeader, records: Iterable[EpisodeRecord]) -> None:
    """Write a whole trace, or nothing."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(header_line(header))
        file.writelines(record_line(record) for record in records)


def read_trace(path: Path) -> tuple[TraceHeader, list[EpisodeRecord]]:
    """Read a trace, whole or cut short.

    Raises:
        FileFormatError: naming file and line, if it is no trace or a line before the last is
            damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read as a trace ({error})") from error
    lines.pop()  # nothing behind the last line break, or a line cut short
    if not lines:
        raise FileFormatError(f"{path} is empty; `clickseg3d evaluate` writes traces")
    header = _header(lines[0], f"{path}:1")
    return header, [_record(line, f"{path}:{n}") for n, line in enumerate(lines[1:], start=2)]


def in_order(
    header: TraceHeader, records: Sequence[EpisodeRecord], where: str
) -> list[EpisodeRecord]:
    """Records in the order of the run's keys.

    Raises:
        FileFormatError: if an episode is missing, unknown or there twice.
    """
    by_key = {record.key: record for record in records}
    if len(by_key) < len(records):
        twice = next(r.key for r in records if by_key[r.key] is not r)
        raise FileFormatError(f"{where} has episode {twice!r} twice")
    missing = [key for key in header.keys if key not in by_key]
    if missing:
        raise FileFormatError(
            f"{where} lacks {len(missing)} of {len(header.keys)} episodes, {missing[0]!r} for one; "
            "run the evaluation again with the same output folder to finish it"
        )
    unknown = set(by_key) - set(header.keys)
    if unknown:
        raise FileFormatError(f"{where} has episode {min(unknown)!r}, which is not of this run")
    return [by_key[key] for key in header.keys]


def _plain(header: TraceHeader) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(to_dict(header)))
    return plain


def _header(line: str, where: str) -> TraceHeader:
    try:
        values = json.loads(line)
        if values.pop("format") != FORMAT:
            raise FileFormatError(f"{where}: this version reads {FORMAT} only")
        return TraceHeader(
            protocol=from_dict(Protocol, values["protocol"]),
            data=values["data"],
            method=values["method"],
            seed=values["seed"],
            class_map=dict(values["class_map"]),
            keys=tuple(values["keys"]),
            about=values["about"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise FileFormatError(f"{where} is no first line of a trace ({error!r:.120})") from error


def _record(line: str, where: str) -> EpisodeRecord:
    try:
        values = json.loads(line)
        record = EpisodeRecord(
            key=values["key"],
            scene=values["scene"],
            targets=tuple(Target(**target) for target in values["targets"]),
            clicks=tuple((tuple(p), int(label), int(row)) for p, label, row in values["clicks"]),
            counts=tuple(values["counts"]),
            iou=tuple(map(tuple, values["iou"])),
            recall=tuple(map(tuple, values["recall"])),
            named={int(k): tuple(map(tuple, v)) for k, v in values["named"].items()},
            cost=dict(values["cost"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{where} is no episode of a trace ({error!r:.120})") from error
    shape = (len(record.counts), len(record.targets))
    for table in (record.iou, record.recall):
        if not _is_table(table, shape):
            raise FileFormatError(
                f"{where}: {shape[0]} rounds of {shape[1]} objects need as many IoU values, each a "
                "number or null"
            )
    return record


def _is_table(table: Sequence[Sequence[object]], shape: tuple[int, int]) -> bool:
    return len(table) == shape[0] and all(
        len(row) == shape[1] and all(v is None or isinstance(v, int | float) for v in row)
        for row in table
    )
