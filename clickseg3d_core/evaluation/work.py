"""Playing many episodes, in this process or in several."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import torch

from clickseg3d_core.datasets.episodes import Episode, EpisodeSet
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.evaluation.methods import Method, MethodConfig, open_method
from clickseg3d_core.evaluation.protocol import Protocol
from clickseg3d_core.evaluation.stage import Stage
from clickseg3d_core.evaluation.trace import EpisodeRecord, record_of

_EPISODES_PER_TASK = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """What to evaluate, and how.

    Attributes:
        method: The method.
        data: The episodes.
        protocol: The rules.
        seed: Seed of users who click at random.
        class_map: Names of the method's classes, by those of the data where they differ.
        about: What to call it in tables, see `results`.

    Raises:
        ConfigError: if the protocol is for other episodes.
    """

    method: MethodConfig
    data: EpisodeSet
    protocol: Protocol
    seed: int = 0
    class_map: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.protocol.kind != self.data.kind:
            raise ConfigError(
                f"protocol {self.protocol.name} needs {self.protocol.kind}-object episodes, "
                f"{self.data.name} has {self.data.kind}-object ones"
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """Episodes of one scene."""

    scene: str
    episodes: tuple[Episode, ...]


def tasks(episodes: Sequence[Episode]) -> list[Task]:
    """Episodes by scene; a scene with many in portions, so that several processes share them."""
    scenes: dict[str, list[Episode]] = {}
    for episode in episodes:
        scenes.setdefault(episode.scene, []).append(episode)
    return [
        Task(scene=scene, episodes=tuple(group[i : i + _EPISODES_PER_TASK]))
        for scene, group in scenes.items()
        for i in range(0, len(group), _EPISODES_PER_TASK)
    ]


def play_tasks(
    evaluation: Evaluation, method: Method, todo: Sequence[Task], workers: int
) -> Iterator[list[EpisodeRecord]]:
    """Play tasks; records come as tasks end.

    Args:
        evaluation: What to do.
        method: The opened method, for use in this process.
        todo: The tasks.
        workers: Processes with one thread each; 1 plays in this one.

    Raises:
        FileFormatError: if a scene cannot be read or lacks an object.
    """
    if workers == 1:
        for task in todo:
            yield play_task(evaluation, method, task)
        return
    with ProcessPoolExecutor(
        min(workers, len(todo)),
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(evaluation,),
    ) as pool:
        futures = [pool.submit(_play, task) for task in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def play_task(evaluation: Evaluation, method: Method, task: Task) -> list[EpisodeRecord]:
    """Play the episodes of one task."""
    started = time.perf_counter()
    scene = evaluation.data.read(task.scene)
    read_s = time.perf_counter() - started
    stage = Stage(scene, method, evaluation.protocol, evaluation.seed)
    records = []
    for episode in task.episodes:
        course, targets, encode_s = stage.play(episode.key, episode.object_ids, episode.class_names)
        cost = {"read_s": read_s, "encode_s": encode_s, **_peak_memory()}
        records.append(record_of(episode.key, task.scene, targets, course, cost))
        read_s = 0.0
    return records


def _peak_memory() -> dict[str, float]:
    """Megabytes that this process, and torch on the GPU, have used at most so far."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
    if torch.cuda.is_available():
        peak["peak_cuda_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return peak


_opened: list[tuple[Evaluation, Method]] = []
"""What a worker process works with; empty in the main process."""


def _begin(evaluation: Evaluation) -> None:
    torch.set_num_threads(1)
    _opened[:] = [(evaluation, open_method(evaluation.method))]


def _play(task: Task) -> list[EpisodeRecord]:
    evaluation, method = _opened[0]
    return play_task(evaluation, method, task)
