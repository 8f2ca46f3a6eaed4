"""Simulated users: which objects they click first, and how they correct the answer.

An episode is one user with one set of clicks. A step answers many episodes on one encoded scene in
one decoder pass: one user who clicks many objects, and several who click a single one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.clicks import Depths, depths_inside, error_clicks, innermost_point
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.sampling import Sampler, click_candidates

MIN_VOXELS = 10
"""Instances with fewer voxels are not clicked."""

_BESIDE = 0.2
"""How much larger than the object the box is that background clicks lie in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickConfig:
    """How users are simulated.

    Attributes:
        sampler: Table 4 rows 11-13: fps (paper), random or voxel candidates.
        candidates: Click candidates per instance at most (paper: 15).
        single_episodes: Episodes per scene in which one object alone is clicked.
        positives: First clicks of such an episode at most; one, or a random number from 1 on.
        negatives: First background clicks of such an episode at most, a random number from 1 on,
            on what lies in the object's bounding box made a fifth larger; 0 = see `background`.
        together: Whether there is a multi-object episode.
        max_objects: Objects of the multi-object episode at most.
        innermost: Probability that a single first click is the object's innermost point, as users
            and benchmarks place it; else it is one of the candidates.
        several: Probability that an object of the multi-object episode gets a random subset of its
            candidates instead of one click.
        background: Probability that an episode begins with a background click.
        rounds: Corrections of a user at most, each in the current error of the model.
        correct: Probability of each further one; every user stops at a time of their own, so that
            one step learns from first clicks and from late ones.
        edge: Probability that the user of an episode clicks a voxel at the edge of an object in
            place of the current error, on either side, whether the answer is wrong there or not:
            most of what is left of a nearly right answer lies there, and a click there must not
            change the rest. Where labels end is no edge.
        max_clicks: Clicks of one decoder pass at most; bounds memory.
    """

    sampler: Sampler = "fps"
    candidates: int = 15
    single_episodes: int = 8
    positives: int = 1
    negatives: int = 0
    together: bool = True
    max_objects: int = 12
    innermost: float = 0.5
    several: float = 0.3
    background: float = 0.1
    rounds: int = 2
    correct: float = 0.5
    edge: float = 0.0
    max_clicks: int = 60

    def __post_init__(self) -> None:
        for name in ("candidates", "max_objects", "max_clicks", "positives"):
            if getattr(self, name) < 1:
                raise ConfigError(f"clicks.{name} must be at least 1, got {getattr(self, name)}")
        if not self.together and self.single_episodes < 1:
            raise ConfigError("clicks.single_episodes must be at least 1 if together is false")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Episodes:
    """K clicks of several episodes on one scene, ordered by episode.

    Attributes:
        rows: (K,) int64 clicked voxels.
        target: (K,) int64 instance that the click marks; for a background click the instance that
            it lies on, 0 if none.
        is_background: (K,) bool.
        episode: (K,) int64.
    """

    rows: NDArray[np.int64]
    target: NDArray[np.int64]
    is_background: NDArray[np.bool_]
    episode: NDArray[np.int64]

    def object_index(self) -> NDArray[np.int64]:
        """(K,) int64 in 0..J-1: one number per marked object and one per background click."""
        click = np.arange(len(self.rows)) + 1
        key = np.stack([self.episode, np.where(self.is_background, -click, self.target)], axis=1)
        return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def of(self, numbers: NDArray[np.int64]) -> Episodes:
        """The clicks of some episodes alone."""
        kept = np.isin(self.episode, numbers)
        return Episodes(
            rows=self.rows[kept],
            target=self.target[kept],
            is_background=self.is_background[kept],
            episode=self.episode[kept],
        )

    def with_clicks(
        self, rows: list[int], target: list[int], background: list[bool], episode: list[int]
    ) -> Episodes:
        """These episodes with further clicks."""
        return Episodes(
            rows=np.append(self.rows, np.array(rows, dtype=np.int64)),
            target=np.append(self.target, np.array(target, dtype=np.int64)),
            is_background=np.append(self.is_background, np.array(background, dtype=bool)),
            episode=np.append(self.episode, np.array(episode, dtype=np.int64)),
        )


def first_clicks(
    centers: NDArray[np.float32],
    instance: NDArray[np.int64],
    settings: ClickConfig,
    rng: np.random.Generator,
) -> Episodes | None:
    """First clicks of all episodes on one scene.

    Args:
        centers: (V, 3) float32, voxel units.
        instance: (V,) int64, 0 = unlabelled.
        settings: How users click.
        rng: Randomness.

    Returns:
        None if no instance has MIN_VOXELS voxels.
    """
    ids, counts = np.unique(instance[instance > 0], return_counts=True)
    ids = ids[counts >= MIN_VOXELS]
    if len(ids) == 0:
        return None
    empty = Episodes(
        rows=np.zeros(0, np.int64),
        target=np.zeros(0, np.int64),
        is_background=np.zeros(0, bool),
        episode=np.zeros(0, np.int64),
    )
    episodes = empty
    if settings.together:
        episodes = _many_objects(empty, centers, instance, ids, settings, rng)
    first = len(np.unique(episodes.episode))
    for number in range(first, first + settings.single_episodes):
        left = settings.max_clicks - len(episodes.rows)
        if left < 2 and len(episodes.rows):
            break
        target = int(rng.choice(ids))
        rows = _clicks_on_one(centers, instance == target, settings, rng)[: max(left, 1)]
        others = _clicks_beside(centers, instance == target, settings, rng)
        others = others[: max(left - len(rows), 0)]
        episodes = episodes.with_clicks(
            rows + others,
            [target] * len(rows) + instance[others].tolist(),
            [False] * len(rows) + [True] * len(others),
            [number] * (len(rows) + len(others)),
        )
    return episodes


def _clicks_on_one(
    centers: NDArray[np.float32],
    mask: NDArray[np.bool_],
    settings: ClickConfig,
    rng: np.random.Generator,
) -> list[int]:
    """First clicks on the only object of an episode."""
    if settings.positives == 1:
        return [_first_click(centers, mask, settings, rng)]
    count = int(rng.integers(1, settings.positives + 1))
    return [int(row) for row in _candidates(centers, mask, settings, rng)[:count]]


def _clicks_beside(
    centers: NDArray[np.float32],
    mask: NDArray[np.bool_],
    settings: ClickConfig,
    rng: np.random.Generator,
) -> list[int]:
    """First background clicks of an episode with one object."""
    if settings.negatives == 0:
        others = np.flatnonzero(~mask) if rng.random() < settings.background else np.zeros(0, int)
        return [int(rng.choice(others))] if len(others) else []
    low, high = centers[mask].min(axis=0), centers[mask].max(axis=0)
    margin = _BESIDE * (high - low) / 2 + 1.0
    near = ((centers >= low - margin) & (centers <= high + margin)).all(axis=1)
    count = int(rng.integers(1, settings.negatives + 1))
    return [int(row) for row in rng.permutation(np.flatnonzero(near & ~mask))[:count]]


def _many_objects(
    episodes: Episodes,
    centers: NDArray[np.float32],
    instance: NDArray[np.int64],
    ids: NDArray[np.int64],
    settings: ClickConfig,
    rng: np.random.Generator,
) -> Episodes:
    """Episode 0: several objects, one or a few clicks each, sometimes a background click."""
    chosen = rng.permutation(ids)[: int(rng.integers(1, settings.max_objects + 1))]
    for target in chosen:
        mask = instance == target
        if rng.random() < settings.several:
            candidates = _candidates(centers, mask, settings, rng)
            rows = candidates[: int(rng.integers(1, len(candidates) + 1))].tolist()
        else:
            rows = [_first_click(centers, mask, settings, rng)]
        rows = rows[: max(1, settings.max_clicks // 2 - len(episodes.rows))]
        n = len(rows)
        episodes = episodes.with_clicks(rows, [int(target)] * n, [False] * n, [0] * n)
        if len(episodes.rows) >= settings.max_clicks // 2:
            break
    rest = np.flatnonzero(~np.isin(instance, chosen))
    if len(rest) and rng.random() < settings.background:
        row = int(rng.choice(rest))
        episodes = episodes.with_clicks([row], [int(instance[row])], [True], [0])
    return episodes


def _candidates(
    centers: NDArray[np.float32],
    mask: NDArray[np.bool_],
    settings: ClickConfig,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Up to `candidates` click rows on one instance, in random order."""
    rows = np.flatnonzero(mask)
    chosen = click_candidates(centers[rows], settings.candidates, settings.sampler, rng)
    return np.asarray(rng.permutation(rows[chosen]), dtype=np.int64)


def _first_click(
    centers: NDArray[np.float32],
    mask: NDArray[np.bool_],
    settings: ClickConfig,
    rng: np.random.Generator,
) -> int:
    if rng.random() < settings.innermost:
        return innermost_point(centers, mask)
    return int(_candidates(centers, mask, settings, rng)[0])


def planned_corrections(
    episodes: Episodes, settings: ClickConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(E,) int64: how many corrections each of E users will make."""
    users = len(np.unique(episodes.episode))
    goes_on = rng.random((users, settings.rounds)) < settings.correct
    planned: NDArray[np.int64] = goes_on.cumprod(axis=1, dtype=np.int64).sum(axis=1)
    return planned


def corrected(
    episodes: Episodes,
    numbers: NDArray[np.int64],
    centers: NDArray[np.float32],
    instance: NDArray[np.int64],
    labels: NDArray[np.int64],
    pairs: NDArray[np.int64],
    settings: ClickConfig,
    rng: np.random.Generator,
    depths: Depths = depths_inside,
) -> Episodes:
    """Add the click that some users would make next.

    Args:
        episodes: Clicks so far.
        numbers: (A,) int64 episodes of those users.
        centers: (V, 3) float32, voxel units.
        instance: (V,) int64 truth.
        labels: (A, V) int64 current answer to each: instance id, 0 = background.
        pairs: (P, 2) int64 neighboring voxels, for clicks at edges.
        settings: How users click.
        rng: Randomness of clicks at edges.
        depths: Measures how deep voxels lie inside a group of errors.
    """
    rows: list[int] = []
    background: list[bool] = []
    owners: list[int] = []
    both_known = pairs[(instance[pairs] > 0).all(axis=1)] if settings.edge else pairs
    for number, answered in zip(numbers.tolist(), labels, strict=True):
        left = settings.max_clicks - len(episodes.rows) - len(rows)
        if left < 1:
            break
        mine = episodes.episode == number
        wanted = np.unique(episodes.target[mine & ~episodes.is_background])
        truth = np.where(np.isin(instance, wanted), instance, 0)
        if settings.edge and rng.random() < settings.edge:
            found = _at_an_edge(truth, both_known, rng)
        else:
            answer = np.where(instance == 0, truth, answered)  # unlabelled is no error
            clicks = error_clicks(centers, truth, answer, depths)
            found = [click.index for click in clicks[: 1 if number else 3]]
        found = found[:left]
        rows += found
        background += (truth[found] == 0).tolist()
        owners += [number] * len(found)
    return episodes.with_clicks(rows, instance[rows].tolist(), background, owners)


def _at_an_edge(
    truth: NDArray[np.int64], pairs: NDArray[np.int64], rng: np.random.Generator
) -> list[int]:
    """A random voxel with a neighbor of another label; none if there is no such pair."""
    sides = truth[pairs]
    crossing = pairs[sides[:, 0] != sides[:, 1]]
    return [int(rng.choice(crossing.reshape(-1)))] if len(crossing) else []
