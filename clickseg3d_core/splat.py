"""Point clouds to images with numpy alone: a view, a cutaway for rooms, a depth-sorted splat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

BACKDROP = (30, 33, 40)
_MAX_DRAWN = 600_000
_SCORED_POINTS = 20_000
_AZIMUTHS = np.deg2rad(np.arange(0, 360, 30) + 15.0)
_ELEVATIONS = np.deg2rad([32.0, 45.0])
_ROOM_ELEVATION = np.deg2rad([52.0])
_SHADE_STRENGTH = 0.5
_PLAN_CELLS = 16
_DENSITY_CELL = 12  # pixels
_HOLES_WEIGHT = 1.0
_MAX_POINT_SIZE = 5  # pixels

FloatArray = NDArray[np.float64]
Colors = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """An orthographic camera.

    Attributes:
        axes: (3, 3) float64, rows are the picture's right, its up, and toward the viewer, as unit
            vectors in the cloud's frame.
    """

    axes: FloatArray

    def project(self, xyz: FloatArray) -> FloatArray:
        """Positions (N, 3), metres, to (N, 3): right, up and nearness to the viewer, metres."""
        projected: FloatArray = xyz @ self.axes.T
        return projected


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Which part of the view plane fills a picture of width x height pixels.

    Attributes:
        left: Right-coordinate of the left edge, metres.
        top: Up-coordinate of the upper edge, metres.
        scale: Pixels per metre.
        width: Pixels.
        height: Pixels.
    """

    left: float
    top: float
    scale: float
    width: int
    height: int

    def pixels(self, projected: FloatArray) -> NDArray[np.int64]:
        """View coordinates (N, 2+) in metres to columns and rows (N, 2)."""
        column = (projected[:, 0] - self.left) * self.scale
        row = (self.top - projected[:, 1]) * self.scale
        return np.floor(np.stack([column, row], axis=1)).astype(np.int64)


def view_from(azimuth: float, elevation: float) -> View:
    """The camera looking down from a direction.

    Args:
        azimuth: Where the viewer stands, radians from +x about +z.
        elevation: How high, radians above the horizon.
    """
    cos_a, sin_a = np.cos(azimuth), np.sin(azimuth)
    cos_e, sin_e = np.cos(elevation), np.sin(elevation)
    right = [-sin_a, cos_a, 0.0]
    up = [-sin_e * cos_a, -sin_e * sin_a, cos_e]
    toward = [cos_e * cos_a, cos_e * sin_a, sin_e]
    return View(axes=np.array([right, up, toward]))


def choose_view(xyz: FloatArray, focus: FloatArray, *, room: bool = False) -> View:
    """The elevated three-quarter view that hides the least; a one-sided scan shows its front.

    Args:
        xyz: (N, 3) float64, finite, metres, z up.
        focus: (F, 3) float64, what must be visible, weighs as much as all the rest.
        room: Look down more steeply, over the walls.
    """
    step = max(1, len(xyz) // _SCORED_POINTS)
    sample = xyz[::step]
    elevations = _ROOM_ELEVATION if room else _ELEVATIONS
    candidates = [view_from(a, e) for e in elevations for a in _AZIMUTHS]
    focus_sample = focus[:: max(1, len(focus) // 2000)]
    scores = [_view_score(view, sample, focus_sample) for view in candidates]
    return candidates[int(np.argmax(scores))]


def _view_score(view: View, xyz: FloatArray, focus: FloatArray) -> float:
    projected = view.project(np.concatenate([xyz, focus]))
    low, high = projected.min(axis=0), projected.max(axis=0)
    area = float(np.prod(np.maximum(high - low, 1e-6)[:2]))
    cell = 2.5 * np.sqrt(area / max(len(xyz), 1))
    grid = np.floor((projected[:, :2] - low[:2]) / cell).astype(np.int64)
    key = grid[:, 0] * (int(grid[:, 1].max()) + 1) + grid[:, 1]
    front = np.full(int(key.max()) + 1, -np.inf)
    np.maximum.at(front, key[: len(xyz)], projected[: len(xyz), 2])
    visible = projected[:, 2] >= front[key] - 3.0 * cell
    score: float = float(visible[: len(xyz)].mean())
    # From where a one-sided scan was taken, its outline has no holes.
    score += _HOLES_WEIGHT * float(np.isfinite(front).sum()) * cell**2 / _outline_area(projected)
    if len(focus):
        score += float(visible[len(xyz) :].mean())
    return score


def _outline_area(projected: FloatArray) -> float:
    try:
        return float(ConvexHull(projected[:, :2]).volume)
    except (QhullError, ValueError):
        return np.inf


def is_room(xyz: FloatArray) -> bool:
    """Whether a ceiling or walls around a floor would hide what is inside.

    Args:
        xyz: (N, 3) float64, finite, metres, z up.
    """
    low, high = np.percentile(xyz, [1.0, 99.0], axis=0)
    height = float(high[2] - low[2])
    if not 1.8 <= height <= 8.0:
        return False
    cell = np.maximum((high - low)[:2], 1e-6) / _PLAN_CELLS
    grid = np.clip(((xyz[:, :2] - low[:2]) / cell).astype(np.int64), 0, _PLAN_CELLS - 1)

    def plan(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        occupied = np.zeros((_PLAN_CELLS, _PLAN_CELLS), dtype=bool)
        occupied[grid[rows, 0], grid[rows, 1]] = True
        return occupied

    floor = plan(xyz[:, 2] < low[2] + 0.1 * height)
    ceiling = plan(xyz[:, 2] > high[2] - 0.1 * height)
    upper = plan(xyz[:, 2] > low[2] + 0.6 * height)
    border = np.ones_like(upper)
    border[1:-1, 1:-1] = False
    enclosed = upper[border].mean() > 0.6 and float((high - low)[:2].max()) < 20.0
    return bool(floor.mean() > 0.4 and (ceiling.mean() > 0.4 or enclosed))


def cutaway(xyz: FloatArray, view: View) -> NDArray[np.bool_]:
    """Points of a room that stay when its ceiling and the walls before the viewer are taken off.

    Args:
        xyz: (N, 3) float64, finite, metres, z up.
        view: Where the viewer is.

    Returns:
        (N,) bool.
    """
    low, high = np.percentile(xyz, [1.0, 99.0], axis=0)
    height = high[2] - low[2]
    kept: NDArray[np.bool_] = xyz[:, 2] < high[2] - 0.12 * height
    inner = ((xyz >= low) & (xyz <= high)).all(axis=1)
    try:
        hull = ConvexHull(xyz[inner][:, :2])
    except (QhullError, ValueError):
        return kept
    facing = hull.equations[:, :2] @ view.axes[2, :2] > 0.15 * np.linalg.norm(view.axes[2, :2])
    for a, b, c in hull.equations[facing]:
        near_wall = xyz[:, 0] * a + xyz[:, 1] * b + c > -0.06 * float((high - low)[:2].max())
        kept &= ~(near_wall & (xyz[:, 2] > low[2] + 0.08 * height))
    return kept


def fit_frame(projected: FloatArray, focus: FloatArray, width: int, height: int) -> Frame:
    """Frame the cloud, closer in when the focus is a small part of it.

    Args:
        projected: (N, 3) view coordinates of the cloud, metres.
        focus: (F, 3) view coordinates of what matters, metres; may be empty.
        width: Pixels.
        height: Pixels.
    """
    low, high = np.percentile(projected[:, :2], [0.3, 99.7], axis=0)
    if len(focus):
        inner_low, inner_high = focus[:, :2].min(axis=0), focus[:, :2].max(axis=0)
        margin = np.maximum(0.6 * (inner_high - inner_low).max(), 0.18 * (high - low))
        low = np.minimum(np.maximum(low, inner_low - margin), inner_low)
        high = np.maximum(np.minimum(high, inner_high + margin), inner_high)
    size = np.maximum(high - low, 1e-6)
    scale = float(0.94 * min(width / size[0], height / size[1]))
    center = (low + high) / 2.0
    return Frame(
        left=float(center[0] - 0.5 * width / scale),
        top=float(center[1] + 0.5 * height / scale),
        scale=scale,
        width=width,
        height=height,
    )


def splat(projected: FloatArray, colors: Colors, frame: Frame) -> Colors:
    """Draw points as squares, far ones first, and darken what lies behind an edge.

    Args:
        projected: (N, 3) float64 view coordinates, metres.
        colors: (N, 3) uint8.
        frame: What to show.

    Returns:
        (height, width, 3) uint8.
    """
    step = -(-len(projected) // _MAX_DRAWN)
    projected, colors = projected[::step], colors[::step]
    target, source = _covered_pixels(frame.pixels(projected), projected[:, 2], frame)
    owner = np.full(frame.width * frame.height, -1, dtype=np.int64)
    owner[target] = source  # of repeated targets the last, nearest one stays
    image = np.full((len(owner), 3), BACKDROP, dtype=np.float64)
    depth = np.full(len(owner), np.nan)
    drawn = owner >= 0
    image[drawn] = colors[owner[drawn]]
    depth[drawn] = projected[owner[drawn], 2]
    shade = _edge_shade(depth.reshape(frame.height, frame.width) * frame.scale)
    lit = image.reshape(frame.height, frame.width, 3) * shade[..., None]
    return np.clip(lit, 0, 255).astype(np.uint8)


def _covered_pixels(
    pixel: NDArray[np.int64], nearness: FloatArray, frame: Frame
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels that each point covers and the point's row, far points first."""
    sizes = _point_sizes(pixel, frame)
    targets, sources = [], []
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows = np.flatnonzero(sizes == size)
        offset = np.arange(size) - size // 2
        column = pixel[rows, 0, None, None] + offset[:, None]
        row = pixel[rows, 1, None, None] + offset
        column, row = np.broadcast_arrays(column, row)
        inside = (column >= 0) & (column < frame.width) & (row >= 0) & (row < frame.height)
        targets.append((row * frame.width + column)[inside])
        sources.append(np.broadcast_to(rows[:, None, None], inside.shape)[inside])
    if not targets:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    target, source = np.concatenate(targets), np.concatenate(sources)
    rank = np.empty(len(nearness), dtype=np.int64)
    rank[np.argsort(nearness, kind="stable")] = np.arange(len(nearness))
    near_last = np.argsort(rank[source], kind="stable")
    return target[near_last], source[near_last]


def _point_sizes(pixel: NDArray[np.int64], frame: Frame) -> NDArray[np.int64]:
    """Pixels per side that just close the surface around each point; 0 outside the picture."""
    sizes = np.zeros(len(pixel), dtype=np.int64)
    inside = (pixel >= 0).all(axis=1) & (pixel < (frame.width, frame.height)).all(axis=1)
    if not inside.any():
        return sizes
    cell = pixel[inside] // _DENSITY_CELL
    key = cell[:, 0] * (frame.height // _DENSITY_CELL + 1) + cell[:, 1]
    spacing = _DENSITY_CELL / np.sqrt(np.bincount(key)[key])
    sizes[inside] = np.clip(np.ceil(1.5 * spacing), 1, _MAX_POINT_SIZE)
    return sizes


def _edge_shade(depth: FloatArray) -> FloatArray:
    """Eye-dome lighting: a pixel darkens by how much nearer its neighbors are.

    Args:
        depth: (height, width) nearness in pixels, NaN where nothing is.
    """
    filled = np.where(np.isnan(depth), -np.inf, depth)
    rise = np.zeros_like(depth)
    for distance in (1, 3):
        padded = np.pad(filled, distance, constant_values=-np.inf)
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            y, x = distance * (1 + dy), distance * (1 + dx)
            neighbor = padded[y : y + depth.shape[0], x : x + depth.shape[1]]
            with np.errstate(invalid="ignore"):
                step = np.nan_to_num(neighbor - filled, nan=0.0, posinf=0.0, neginf=0.0)
            rise += np.clip(step / distance - 1.0, 0.0, 4.0)
    shade: FloatArray = np.exp(-_SHADE_STRENGTH * rise / 8.0)
    shade[np.isnan(depth)] = 1.0
    return shade
