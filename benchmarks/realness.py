"""How easily simulated scans are told from real ones.

    python benchmarks/realness.py REAL SIMULATED

Both are folders of clouds, with or without labels. Patches of scans in voxels, as the network gets
them, are described by a few numbers each: how dense, flat, bent, noisy and colored they are. A
classifier (logistic regression on these numbers, their squares and products) learns from half of
the scans which patches are simulated; its AUC on patches of the other half is 0.5 where nobody
could tell and 1 where anybody can. What the scans show counts, too, as a table with boxes is told
from one with toys, and so does that simulated scans are to vary more than those of one sensor. So
the table says of each number where the median of the real patches lies among the simulated scans'
medians, in percent: near 0 or 100 nothing like it was simulated. The outermost come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.files import read_cloud
from clickseg3d_core.surface import Surface, describe_surface
from clickseg3d_core.types import PointCloud
from clickseg3d_core.upright import found_rotation, turned
from clickseg3d_core.voxels import VoxelGrid, automatic_voxel_size, voxelize

FloatArray = NDArray[np.float64]

SHAPE = (
    "voxels", "points a voxel", "their spread", "to the next voxel", "off its plane", "variation",
    "largest variation", "bend", "spread of bend", "level",
)  # fmt: skip
COLOR = ("brightness", "its spread", "colorfulness", "step of color", "largest step")
_RADIUS = 6.0
_LEAST = 20
_WEIGHT_DECAY = 1e-2


def described(cloud: PointCloud, voxels: int, patches: int, rng: np.random.Generator) -> FloatArray:
    """Numbers of patches of a cloud.

    Args:
        cloud: N points, metres.
        voxels: As many voxels as the network aims at.
        patches: How many at most.
        rng: Chooses them.

    Returns:
        (patches, len(SHAPE)), and len(COLOR) more columns with color.
    """
    rows = np.unique(cloud.xyz, axis=0, return_index=True)[1]  # some files have each point twice
    rows = np.sort(rows[np.isfinite(cloud.xyz[rows]).all(axis=1)])
    cloud = PointCloud(cloud.xyz[rows], None if cloud.rgb is None else cloud.rgb[rows])
    size = automatic_voxel_size(cloud.xyz, target_voxels=voxels)
    grid = voxelize(turned(cloud, found_rotation(voxelize(cloud, size))), size)
    surface, tree = describe_surface(grid), cKDTree(grid.centers)
    chosen = rng.permutation(len(grid))[:patches]
    balls = tree.query_ball_point(grid.centers[chosen], _RADIUS)
    found = [np.array(ball) for ball in balls if len(ball) >= _LEAST]
    nearest = [np.asarray(column)[:, 1] for column in tree.query(grid.centers, k=2)]
    rows = [_numbers(grid, surface, ball, nearest) for ball in found]
    width = len(SHAPE) + (0 if grid.rgb is None else len(COLOR))
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _numbers(
    grid: VoxelGrid, surface: Surface, ball: NDArray[np.int64], nearest: Sequence[FloatArray]
) -> list[float]:
    offset = grid.centers[ball] - grid.centers[ball].mean(axis=0)
    thickness = np.sqrt(max(float(np.linalg.eigvalsh(offset.T @ offset / len(ball))[0]), 0.0))
    points = np.log(grid.counts[ball])
    variation, bend = surface.variation[ball], surface.bend[ball]
    shape = [
        np.log(len(ball)), points.mean(), points.std(), nearest[0][ball].mean(), thickness,
        variation.mean(), variation.max(), bend.mean(), bend.std(),
        np.abs(surface.normals[ball, 2]).mean(),
    ]  # fmt: skip
    if grid.rgb is None:
        return [float(v) for v in shape]
    rgb = grid.rgb[ball]
    step = np.linalg.norm(rgb - grid.rgb[nearest[1][ball].astype(np.int64)], axis=1)
    color = [
        rgb.mean(), rgb.mean(axis=1).std(), np.ptp(rgb, axis=1).mean(), np.median(step), step.max(),
    ]  # fmt: skip
    return [float(v) for v in (*shape, *color)]


def auc(scores: FloatArray, positive: NDArray[np.bool_]) -> float:
    """Probability that a positive scores higher than a negative (Mann-Whitney), ties half."""
    ranks, count = rankdata(scores), int(positive.sum())
    above = ranks[positive].sum() - count * (count + 1) / 2.0
    return float(above / (count * (len(scores) - count)))


def told_apart(one: Sequence[FloatArray], other: Sequence[FloatArray]) -> float:
    """AUC of patches of the scans that the classifier has not seen, in turn.

    Args:
        one: Numbers of the patches of each scan, at least two scans.
        other: The same, of the other kind.
    """
    values = []
    for seen in (0, 1):
        learn = [np.concatenate(kind[seen::2]) for kind in (one, other)]
        test = [np.concatenate(kind[1 - seen :: 2]) for kind in (one, other)]
        mean, spread = np.concatenate(learn).mean(axis=0), np.concatenate(learn).std(axis=0) + 1e-9
        terms = [_products((patches - mean) / spread) for patches in (*learn, *test)]
        weights = _fitted(terms[0], terms[1])
        scores = np.concatenate([terms[2] @ weights, terms[3] @ weights])
        values.append(auc(scores, np.arange(len(scores)) >= len(terms[2])))
    return float(np.mean(values))


def _products(numbers: FloatArray) -> FloatArray:
    """A constant, the numbers, and all products of two."""
    numbers = np.clip(numbers, -4.0, 4.0)
    one, other = np.triu_indices(numbers.shape[1])
    return np.concatenate(
        [np.ones((len(numbers), 1)), numbers, numbers[:, one] * numbers[:, other]], axis=1
    )


def _fitted(one: FloatArray, other: FloatArray) -> FloatArray:
    """Weights of a logistic regression in which both kinds count the same."""
    terms, sign = np.concatenate([one, other]), np.repeat([-1.0, 1.0], [len(one), len(other)])
    share = 0.5 / np.where(sign < 0, len(one), len(other))

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (terms @ weights)
        slope = -sign * share / (1.0 + np.exp(np.clip(margin, -50.0, 50.0)))
        value = float((share * np.logaddexp(0.0, -margin)).sum())
        decay = _WEIGHT_DECAY * weights
        return value + 0.5 * float(decay @ weights), terms.T @ slope + decay

    found = minimize(loss, np.zeros(terms.shape[1]), jac=True, method="L-BFGS-B")
    weights: FloatArray = found.x
    return weights


def patches_of(
    paths: Sequence[Path], voxels: int, patches: int, color: bool, title: str
) -> list[FloatArray]:
    """Numbers of each scan; only the first columns where a scan lacks color or none is wanted."""
    found = []
    for number, path in enumerate(track(paths, title, transient=True)):
        cloud = read_cloud(path).cloud
        cloud = cloud if color else replace(cloud, rgb=None)
        found.append(described(cloud, voxels, patches, np.random.default_rng(number)))
    return found


def main(
    real: Annotated[Path, typer.Argument(help="Folder of real clouds.")],
    simulated: Annotated[Path, typer.Argument(help="Folder of simulated clouds.")],
    names: Annotated[str, typer.Option(help="Real clouds to take, a pattern.")] = "*",
    scans: Annotated[int, typer.Option(min=4, help="Of each kind at most.")] = 45,
    patches: Annotated[int, typer.Option(min=10, help="Of each scan at most.")] = 200,
    voxels: Annotated[int, typer.Option(min=100, help="Aimed at in each scan.")] = 28_000,
    color: Annotated[bool, typer.Option(help="Use colors where all scans have some.")] = True,
) -> None:
    """Tell patches of simulated scans from real ones."""
    kinds = []
    for folder, pattern in ((real, names), (simulated, "*")):
        paths = sorted(p for p in folder.glob(pattern) if p.suffix in (".npz", ".ply"))[:scans]
        if len(paths) < 2:
            raise FileFormatError(f"{folder} needs two .npz or .ply clouds, has {len(paths)}")
        kinds.append(patches_of(paths, voxels, patches, color, folder.name))
    width = min(scan.shape[1] for scan in (*kinds[0], *kinds[1]))
    one, other = ([scan[:, :width] for scan in kind if len(scan)] for kind in kinds)
    half = len(other) // 2
    console = Console()
    console.print(f"real against simulated: AUC {told_apart(one, other):.3f}")
    console.print(f"simulated against simulated: AUC {told_apart(other[:half], other[half:]):.3f}")
    table = Table(title=f"medians of {len(one)} real and {len(other)} simulated scans")
    for name in ("", "real", "simulated", "of these below the real one, %"):
        table.add_column(name, justify="right" if name else "left")
    medians = [np.array([np.median(scan, axis=0) for scan in kind]) for kind in (one, other)]
    middle = np.median(medians[0], axis=0)
    below = 100.0 * (medians[1] < middle).mean(axis=0)
    for i in np.argsort(-np.abs(below - 50.0), kind="stable"):
        low, half_way, high = np.percentile(medians[1][:, i], [5.0, 50.0, 95.0])
        span = f"{half_way:.3f} ({low:.3f} to {high:.3f})"
        table.add_row((*SHAPE, *COLOR)[i], f"{middle[i]:.3f}", span, f"{below[i]:.0f}")
    console.print(table)


if __name__ == "__main__":
    run_script(main)
