"""Figures of a row's checkpoint, by the protocols of the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from clickseg3d_core.datasets.episodes import Episode, EpisodeSet, folder_episodes
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.evaluation.evaluate import Share, evaluate
from clickseg3d_core.evaluation.methods import MethodConfig
from clickseg3d_core.evaluation.protocol import protocol_named
from clickseg3d_core.evaluation.results import RESULTS_FILE
from clickseg3d_core.evaluation.work import Evaluation

T = TypeVar("T")

PROTOCOLS = {"single": "agile3d-single", "multi": "agile3d-multi"}
"""Folder of the results, and protocol."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureConfig:
    """What is measured.

    Attributes:
        scenes: Validation scenes at most, evenly spaced by name.
        objects: Objects per scene at most: clicked alone, evenly spaced by id; clicked together,
            nearby ones.
        clicks: Clicks per object at most.

    Raises:
        ConfigError: if one is below 1.
    """

    scenes: int = 16
    objects: int = 10
    clicks: int = 3

    def __post_init__(self) -> None:
        for name in ("scenes", "objects", "clicks"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


def choose_episodes(folder: Path, settings: MeasureConfig) -> dict[str, EpisodeSet]:
    """The episodes that every row is measured on, by folder of the results.

    Raises:
        FileFormatError: if the folder holds no scene, or none has an object to click.
    """
    sets = {
        name: folder_episodes(folder, protocol_named(protocol).kind, 0, settings.objects)
        for name, protocol in PROTOCOLS.items()
    }
    for name, data in sets.items():
        scenes: dict[str, list[Episode]] = {}
        for episode in data.episodes:
            scenes.setdefault(episode.scene, []).append(episode)
        chosen = [
            episode
            for scene in _evenly(list(scenes), settings.scenes)
            for episode in _evenly(scenes[scene], settings.objects)
        ]
        sets[name] = replace(data, episodes=tuple(chosen))
    return sets


def is_measured(folder: Path) -> bool:
    """Whether the folder of a row has the results of every protocol."""
    return all((folder / name / RESULTS_FILE).exists() for name in PROTOCOLS)


def measure(
    checkpoint: Path,
    sets: dict[str, EpisodeSet],
    settings: MeasureConfig,
    folder: Path,
    *,
    about: dict[str, Any],
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the results of each protocol into a folder of its name; goes on where it stopped.

    The user sees the voxels of the encoding, since simulated scans reach from cups to streets.
    """
    for name, protocol in PROTOCOLS.items():
        rules = replace(protocol_named(protocol), clicks=settings.clicks, voxel_size=None)
        evaluation = Evaluation(
            method=MethodConfig(checkpoint=str(checkpoint), device="auto"),
            data=sets[name],
            protocol=rules,
            about=about,
        )
        evaluate(evaluation, folder / name, workers=workers, share=Share(), progress=progress)


def _evenly(items: list[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spaced."""
    rows = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[row] for row in rows]
