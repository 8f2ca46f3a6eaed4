"""Evaluation into a folder: resumable, over processes and machines, the same for any number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch

from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.evaluation.methods import Method, open_method
from clickseg3d_core.evaluation.results import write_results
from clickseg3d_core.evaluation.trace import (
    EpisodeRecord,
    TraceHeader,
    header_line,
    in_order,
    read_trace,
    record_line,
    write_trace,
)
from clickseg3d_core.evaluation.work import Evaluation, Task, play_tasks, tasks

TRACE_FILE = "trace.jsonl"
_PART_FILES = "trace.part-*.jsonl"

Progress = Callable[[int, int], None]
"""Called with the number of episodes done and in all, of this process's share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Which part of the work is this process's: RANK of WORLD_SIZE, as torchrun sets them."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_environment(cls) -> Share:
        """From RANK and WORLD_SIZE; the whole work without them.

        Raises:
            ConfigError: if they are no such numbers.
        """
        rank, world = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
        if not (rank.isdigit() and world.isdigit() and int(rank) < int(world)):
            raise ConfigError(
                f"RANK must be 0..WORLD_SIZE - 1, got RANK={rank} and WORLD_SIZE={world}"
            )
        return cls(rank=int(rank), world=int(world))

    @property
    def trace_name(self) -> str:
        """File that this process appends to."""
        if self.world == 1:
            return TRACE_FILE
        return f"trace.part-{self.rank}-of-{self.world}.jsonl"


def evaluate(
    evaluation: Evaluation,
    folder: Path,
    *,
    workers: int = 1,
    share: Share | None = None,
    progress: Progress | None = None,
) -> Path | None:
    """Play the episodes, write the trace, and score it once every episode is there.

    Episodes that the folder has already are not played again. Processes of several machines may
    work on one folder; whichever ends last puts the parts together.

    Args:
        evaluation: What to do.
        folder: Of the results; made if missing.
        workers: Processes on this machine, each with one thread.
        share: Part of the work; by default that which torchrun gives.
        progress: Told about every task that ends.

    Returns:
        The results file, or None if other processes have not ended yet.

    Raises:
        ConfigError: if the folder holds another evaluation, or workers is under 1.
        CheckpointError: if the checkpoint cannot be read.
        FileFormatError: if a scene or a trace cannot be read.
    """
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}")
    share = Share.of_environment() if share is None else share
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        method = open_method(evaluation.method)
        header = _header(evaluation, method)
        folder.mkdir(parents=True, exist_ok=True)
        _play(evaluation, method, header, folder, workers, share, progress)
    finally:
        torch.set_num_threads(threads)
    return _finish(folder, header, share)


def _play(
    evaluation: Evaluation,
    method: Method,
    header: TraceHeader,
    folder: Path,
    workers: int,
    share: Share,
    progress: Progress | None,
) -> None:
    mine = tasks(evaluation.data.episodes)[share.rank :: share.world]
    total = sum(len(task.episodes) for task in mine)
    done = {record.key for record in _finished(folder, header)}
    todo = [left for task in mine if (left := _without(task, done)).episodes]
    count = total - sum(len(task.episodes) for task in todo)
    if progress is not None:
        progress(count, total)
    if not todo:
        return
    with _appending(folder / share.trace_name, header) as file:
        for records in play_tasks(evaluation, method, todo, workers):
            file.write("".join(map(record_line, records)))
            file.flush()
            count += len(records)
            if progress is not None:
                progress(count, total)


def _header(evaluation: Evaluation, method: Method) -> TraceHeader:
    return TraceHeader(
        protocol=evaluation.protocol,
        data=evaluation.data.name,
        method=method.facts,
        seed=evaluation.seed,
        class_map=dict(evaluation.class_map),
        keys=tuple(episode.key for episode in evaluation.data.episodes),
        about=dict(evaluation.about),
    )


def _without(task: Task, done: set[str]) -> Task:
    return replace(task, episodes=tuple(e for e in task.episodes if e.key not in done))


def _finished(folder: Path, header: TraceHeader) -> list[EpisodeRecord]:
    """Episodes in all traces of the folder, each once."""
    found: dict[str, EpisodeRecord] = {}
    for path in [folder / TRACE_FILE, *sorted(folder.glob(_PART_FILES))]:
        if not _has_header(path):
            continue
        other, records = read_trace(path)
        if header.settings() != other.settings():
            raise ConfigError(
                f"{path} is of another evaluation: {_difference(header, other)}; choose another "
                "output folder"
            )
        for record in records:
            found.setdefault(record.key, record)
    return list(found.values())


def _has_header(path: Path) -> bool:
    """Whether there is a trace; one that ended while its first line was written is none."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().endswith("\n")
    except FileNotFoundError:
        return False


def _difference(mine: TraceHeader, other: TraceHeader) -> str:
    """The first setting that differs, by its dotted name."""
    ours, theirs = _flat(mine.settings()), _flat(other.settings())
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            return f"{name} is {ours.get(name)!r:.100} now and was {theirs.get(name)!r:.100}"
    return "its settings differ"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


@contextmanager
def _appending(path: Path, header: TraceHeader) -> Iterator[TextIO]:
    """Open a trace to append to, without a line that was cut short."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(len(whole) + 1 if whole else 0)
    with path.open("a", encoding="utf-8") as file:
        if not whole:
            file.write(header_line(header))
            file.flush()
        yield file


def _finish(folder: Path, header: TraceHeader, share: Share) -> Path | None:
    """Put the parts together and score them, if none is missing."""
    try:
        records = _finished(folder, header)
    except FileFormatError:
        if share.world == 1 or any(folder.glob(_PART_FILES)):
            raise
        return None  # another process has just put the parts together
    if len(records) < len(header.keys):
        return None
    ordered = in_order(header, records, str(folder))
    write_trace(folder / TRACE_FILE, header, ordered)
    for part in folder.glob(_PART_FILES):
        part.unlink(missing_ok=True)
    return write_results(folder, header, ordered)
