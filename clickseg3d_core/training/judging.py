"""Fits the judge of extents (`model.judge`) to a trained network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from clickseg3d_core.candidates import Candidates, Decoded
from clickseg3d_core.checkpoint import read_record, save_checkpoint
from clickseg3d_core.clicks import SimulatedClick
from clickseg3d_core.data.distortion import bent_as_encoded
from clickseg3d_core.data.scene import Scene, load_scene
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.evaluation.error_depths import ErrorDepths
from clickseg3d_core.evaluation.single_object import large_instances, seen_points
from clickseg3d_core.extent import CUTS
from clickseg3d_core.model.judge import SHARPNESS, ExtentJudge, compared
from clickseg3d_core.model.network import ClickNet, new_judge
from clickseg3d_core.segmenter import ClickSegmenter, Encoding
from clickseg3d_core.training.config import JudgeConfig
from clickseg3d_core.training.samples import scene_files
from clickseg3d_core.training.start import unjudged_net
from clickseg3d_core.types import BACKGROUND_ID, Clicks, PointCloud

_MIN_POINTS = 30
_LARGEST_BATCH = 64
_MEASURED_AT_ONCE = 1024
_RATE, _DECAY = 2e-3, 0.1
_REGRET = 2.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Examples:
    """What the judge learns from.

    Attributes:
        candidates: Of M objects, T each; features as the network has them.
        ious: (M, T) float32 over the points of the scan.
    """

    candidates: Candidates
    ious: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """Those of several scenes, one after the other."""
        return cls(
            candidates=Candidates.joined([p.candidates for p in parts]),
            ious=np.concatenate([p.ious for p in parts]),
        )


def with_judge(net: ClickNet, seed: int = 0) -> ClickNet:
    """A copy of a network that has an untrained judge, drawn from a seed.

    Raises:
        ConfigError: if the family has none.
    """
    judged = copy.deepcopy(net)
    decoder = replace(net.config.decoder, extent="judged")
    judged.config = replace(net.config, decoder=decoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # layers draw their weights from no generator of their own
        judged.judge = new_judge(judged.config)
    return judged


def collecting(net: ClickNet) -> ClickNet:
    """A copy of a network whose candidates come with the features that a judge learns to see.

    Raises:
        ConfigError: if the family has none.
    """
    judged = with_judge(net)
    assert judged.judge is not None
    judged.judge.see = nn.Identity()
    return judged


def judged_network(
    net: ClickNet,
    folder: Path,
    config: JudgeConfig,
    device: torch.device,
    *,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[ClickNet, dict[str, float]]:
    """A copy of a trained network with a judge fitted to it.

    Args:
        net: Of family clickseg3d.
        folder: Of labelled scenes.
        config: How the judge learns.
        device: Where the network runs.
        workers: Processes.
        progress: Told how many scenes are done.

    Returns:
        The copy, and facts for the log: examples, mean IoU of the best candidates and of those
        chosen.

    Raises:
        ConfigError: if the folder has no scene, or none with an object.
    """
    segmenter = ClickSegmenter(collecting(net), {}, device)
    paths = scene_files(folder)
    chosen = np.random.default_rng(config.seed).permutation(len(paths))[: config.scenes]
    chosen_paths = [paths[i] for i in chosen]
    examples = collect(segmenter, chosen_paths, config, workers=workers, progress=progress)
    judged = with_judge(net, config.seed)
    assert judged.judge is not None
    missed = fit(judged.judge.cpu(), examples, config)
    best = float(examples.ious.max(axis=1).mean())
    facts = {"examples": len(examples.ious), "best": best, "chosen": best - missed}
    return judged.to(device).eval(), {name: round(float(value), 4) for name, value in facts.items()}


def judge_checkpoint(
    checkpoint: Path,
    folder: Path,
    output: Path,
    config: JudgeConfig,
    *,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Fit a judge to a checkpoint and write both as another one.

    A judge that it has is dropped, so it may be of another version.

    Returns:
        Facts, see `judged_network`.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
        ConfigError: as `judged_network`.
    """
    net, record = unjudged_net(checkpoint), read_record(checkpoint)
    judged, facts = judged_network(
        net, folder, config, torch.device("cpu"), workers=workers, progress=progress
    )
    save_checkpoint(judged, output, training={**record.get("training", {}), "judge": facts})
    return facts


def scene_examples(segmenter: ClickSegmenter, scene: Scene, config: JudgeConfig) -> list[Examples]:
    """Click objects of a scene as a user does, and compare all candidates with the truth.

    Returns:
        One for each answer, which has as many rows as objects.
    """
    rng = np.random.default_rng([config.seed, len(scene.xyz), int(scene.instance.sum())])
    voxels = segmenter.config.target_voxels
    xyz = bent_as_encoded(scene.xyz.astype(np.float64), voxels, config.bend, rng)
    rgb = None if rng.random() < config.without_color else scene.rgb
    encoding = segmenter.encode(PointCloud(xyz, rgb), up=scene.up)
    seen = seen_points(encoding)
    user = _User(seen=seen, errors=ErrorDepths(encoding.cloud.xyz[seen]), rng=rng)
    ids = rng.permutation(large_instances(scene, _MIN_POINTS))
    anywhere = replace(config, beside=1.0, clicks=1)
    plans = [(ids[[i]], config) for i in range(min(config.objects, len(ids)))]
    plans += [(i, anywhere) for i in _largest(scene, ids, config.large)[:, None]]
    if len(ids) > 1:
        plans += [(_several(ids, rng), config) for _ in range(config.together)]
    return [
        example
        for instances, plan in plans
        for example in _answers(segmenter, encoding, _numbered(scene, instances), plan, user)
    ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _User:
    """Who clicks on a scan.

    Attributes:
        seen: Rows of the points that it sees.
        errors: Tells how deep errors among these lie.
        rng: What it draws from.
    """

    seen: NDArray[np.int64]
    errors: ErrorDepths
    rng: np.random.Generator


def _largest(scene: Scene, ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Those of some instances that have the most points."""
    sizes = np.bincount(scene.instance)[ids]
    return ids[np.argsort(-sizes, kind="stable")[:count]]


def _several(ids: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Two to all of some instances, small numbers as often as large ones."""
    count = round(float(np.exp(rng.uniform(np.log(2), np.log(len(ids))))))
    return rng.permutation(ids)[:count]


def _numbered(scene: Scene, instances: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) 1 to O for the points of O instances in their order, 0 for all others."""
    number = np.zeros(int(scene.instance.max()) + 1, np.int64)
    number[instances] = np.arange(1, len(instances) + 1)
    return np.where(scene.instance > 0, number[scene.instance], 0)


def _answers(
    segmenter: ClickSegmenter,
    encoding: Encoding,
    truth: NDArray[np.int64],
    config: JudgeConfig,
    user: _User,
) -> list[Examples]:
    """Click O objects at once, then where they are wrong; `truth` is (N,), 0 for none of them."""
    xyz, owner, rng = encoding.cloud.xyz, encoding.grid.point_to_voxel, user.rng
    assert encoding.extents is not None
    wanted = truth[user.seen]
    clicked = [
        (_first(click, wanted, config.beside, rng), click.label)
        for click in user.errors.every_group(wanted, np.zeros_like(wanted))
    ]
    found: list[Examples] = []
    while clicked:
        points = user.seen[[row for row, _ in clicked]]
        clicks = Clicks(xyz[points], np.array([label for _, label in clicked]))
        decoded = segmenter.decoded(encoding, clicks)
        candidates = Candidates.of(encoding.extents, decoded, clicks)
        masks = _trimmed(decoded, clicks)
        ious = _ious(masks, owner, truth, clicks.objects)
        found.append(Examples(candidates=candidates, ious=ious))
        if len(found) == config.clicks or rng.random() >= config.go_on:
            break
        answer = _labels(masks, clicks, owner, segmenter.config.decoder.background_logit)
        answer[points] = clicks.object_ids
        wrong = user.errors.every_group(wanted, answer[user.seen])
        if not wrong:
            break
        count = rng.integers(1, len(masks) + 1)
        clicked += [(click.index, click.label) for click in wrong[:count]]
    return found


def _first(
    click: SimulatedClick, wanted: NDArray[np.int64], beside: float, rng: np.random.Generator
) -> int:
    """Where an object is clicked first: at its innermost point or at any of them."""
    if rng.random() < beside:
        return int(rng.choice(np.flatnonzero(wanted == click.label)))
    return click.index


def _trimmed(decoded: Decoded, clicks: Clicks) -> NDArray[np.float32]:
    """(O, V) mask logits where no other object has a higher one; clicked voxels are sure."""
    objects = clicks.objects
    masks = decoded.masks.masked_fill(decoded.beaten, -torch.inf)[: len(objects)]
    logits: NDArray[np.float32] = masks.float().cpu().numpy()
    logits[:, decoded.rows] = -np.inf
    own = clicks.object_ids != BACKGROUND_ID
    logits[np.searchsorted(objects, clicks.object_ids[own]), decoded.rows[own]] = np.inf
    return logits


def _labels(
    masks: NDArray[np.float32], clicks: Clicks, owner: NDArray[np.int64], cut: float
) -> NDArray[np.int64]:
    """(N,) id of each point's object, all masks cut alike; 0 for none."""
    answer = np.zeros(len(owner), np.int64)
    for mask, label in zip(masks, clicks.objects, strict=True):
        answer[mask[owner] > cut] = label
    return answer


def _ious(
    masks: NDArray[np.float32],
    owner: NDArray[np.int64],
    truth: NDArray[np.int64],
    objects: NDArray[np.int64],
) -> NDArray[np.float32]:
    """(O, T) IoU of each candidate of each object, over points."""
    known = owner >= 0
    size = np.bincount(owner[known], minlength=masks.shape[1])
    ious = np.empty((len(masks), len(CUTS)), np.float32)
    for number, (mask, label) in enumerate(zip(masks, objects, strict=True)):
        own = truth == label
        inside = np.bincount(owner[known], own[known], masks.shape[1])
        taken = mask > np.array(CUTS)[:, None]
        shared = taken @ inside
        ious[number] = shared / (taken @ size + own.sum() - shared)
    return ious


def collect(
    segmenter: ClickSegmenter,
    paths: Sequence[Path],
    config: JudgeConfig,
    *,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Examples:
    """Examples of many scenes, the same for any number of workers.

    Args:
        segmenter: Of a network from `collecting`.
        paths: Scene files.
        config: How they are clicked.
        workers: Processes, one thread each.
        progress: Told how many scenes are done.

    Raises:
        ConfigError: if there are none.
    """
    if workers == 1:
        parts = _told((scene_examples(segmenter, load_scene(p), config) for p in paths), progress)
    else:
        with ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(segmenter, config),
        ) as pool:
            parts = _told(pool.map(_click, paths), progress)
    if not parts:
        raise ConfigError("no scene has an object of 30 points to learn from")
    return Examples.joined(parts)


def fit(judge: ExtentJudge, examples: Examples, config: JudgeConfig) -> float:
    """Train a judge in place.

    The loss of each member is the cross-entropy of each candidate's IoU and the IoU that is missed
    by choosing as it would, softly.

    Returns:
        Mean IoU that the choice loses against the best candidates, on the examples.
    """
    given = examples.candidates.tensors(torch.device("cpu"))
    ious = torch.from_numpy(examples.ious)
    flat = compared(given[0]).flatten(0, 1)
    judge.mean.copy_(flat.mean(dim=0))
    judge.scale.copy_(flat.std(dim=0, correction=0) + 1e-3)
    generator = torch.Generator().manual_seed(config.seed)
    size = min(_LARGEST_BATCH, len(ious))
    steps = max(config.epochs * len(ious) // size, 1)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps + 1)
    judge.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # dropout has no generator of its own
        for _ in range(steps):
            rows = torch.randint(len(ious), (size,), generator=generator)
            logits = judge.learning(*(values[rows] for values in given))
            wanted = ious[rows][:, None].expand_as(logits)
            loss = functional.binary_cross_entropy_with_logits(logits, wanted)
            loss = loss + _REGRET * _regret(logits, wanted)
            torch.autograd.backward(judge.members * loss)  # as if each learned alone
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
    judge.eval()
    missed = 0.0
    with torch.no_grad():
        for first in range(0, len(ious), _MEASURED_AT_ONCE):
            part = slice(first, first + _MEASURED_AT_ONCE)
            logits = judge.learning(*(values[part] for values in given)).mean(dim=1)
            missed += float(_regret(logits, ious[part])) * len(logits)
    return missed / len(ious)


def _regret(logits: Tensor, ious: Tensor) -> Tensor:
    """Mean over (..., T) candidates and what comes before them."""
    missed = ious.amax(dim=-1, keepdim=True) - ious
    regret: Tensor = ((SHARPNESS * logits).softmax(dim=-1) * missed).sum(dim=-1).mean()
    return regret


def _told(
    results: Iterable[list[Examples]], progress: Callable[[int], None] | None
) -> list[Examples]:
    parts = []
    for done, result in enumerate(results, start=1):
        parts += result
        if progress is not None:
            progress(done)
    return parts


_of_this_process: list[tuple[ClickSegmenter, JudgeConfig]] = []


def _begin(segmenter: ClickSegmenter, config: JudgeConfig) -> None:
    torch.set_num_threads(1)
    _of_this_process[:] = [(segmenter, config)]


def _click(path: Path) -> list[Examples]:
    segmenter, config = _of_this_process[0]
    return scene_examples(segmenter, load_scene(path), config)
