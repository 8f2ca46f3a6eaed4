"""The paper's figures, drawn from measured results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clickseg3d_core.atomic import replacing
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.evaluation.scores import CLICKS
from clickseg3d_core.report.measured import Measured
from clickseg3d_core.report.published import PublishedRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUERIES = "queries"
"""Setting that fig. 5 is drawn over."""

_DPI = 150


def iou_against_clicks(
    published: Sequence[PublishedRow], measured: Sequence[Measured], path: Path
) -> None:
    """Fig. 4: IoU against clicks, a panel for each data set and protocol.

    Args:
        published: Rows of Table 1; those of the same data are drawn dashed.
        measured: Results.
        path: PNG to write.

    Raises:
        ConfigError: if matplotlib is missing.
    """
    panels: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for m in measured:
        panels[(m.data, m.protocol)].append(m)
    figure, axes = _panels(len(panels))
    for axis, ((data, protocol), group) in zip(axes, panels.items(), strict=True):
        for m in group:
            _curve(axis, m, m.method)
        for row in published:
            if row["data"] == data:
                text = f"{row['method']}, {row['protocol']} ({row['source']})"
                axis.plot(list(row["iou"]), list(row["iou"].values()), "--", lw=1.0, label=text)
        axis.set_title(f"{data}\n{protocol}", fontsize=9)
        _finish_clicks(axis)
    _save(figure, path)


def iou_by_queries(measured: Sequence[Measured], path: Path) -> bool:
    """Fig. 5: IoU against clicks, a curve for each number of training queries.

    Returns:
        Whether there was anything to draw.
    """
    group = sorted(
        (m for m in measured if QUERIES in m.settings), key=lambda m: m.settings[QUERIES]
    )
    if not group:
        return False
    figure, axes = _panels(1)
    for m in group:
        _curve(axes[0], m, f"{m.settings[QUERIES]:g} queries, {m.data}")
    _finish_clicks(axes[0])
    _save(figure, path)
    return True


def iou_over_settings(measured: Sequence[Measured], path: Path) -> bool:
    """Fig. 6: IoU over each other setting, such as the embedding dimension.

    Returns:
        Whether there was anything to draw.
    """
    names = sorted({name for m in measured for name in m.settings} - {QUERIES})
    if not names:
        return False
    figure, axes = _panels(len(names))
    for axis, name in zip(axes, names, strict=True):
        groups: dict[str, list[Measured]] = defaultdict(list)
        for m in measured:
            if name in m.settings:
                groups[f"{m.data}, {m.protocol}"].append(m)
        for text, group in groups.items():
            group.sort(key=lambda m: m.settings[name])
            for k in (1, 10):
                points = [(m.settings[name], m.iou(k)) for m in group if m.iou(k) is not None]
                if points:
                    axis.plot(*zip(*points, strict=True), "o-", label=f"IoU@{k}, {text}")
        axis.set_xlabel(name.replace("_", " "))
        axis.set_ylabel("IoU (%)")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    _save(figure, path)
    return True


def _curve(axis: Axes, m: Measured, label: str) -> None:
    curve = m.figures["curve"]
    (line,) = axis.plot(
        curve["clicks"], [100.0 * v for v in curve["iou"]], lw=1.8, label=f"{label} (measured)"
    )
    intervals = m.figures["interval95"]
    ks = [k for k in map(int, m.figures["iou"]) if f"iou@{k}" in intervals]
    ends = [intervals[f"iou@{k}"] for k in ks]
    low, high = ([100.0 * e[i] for e in ends] for i in (0, 1))
    axis.fill_between(ks, low, high, color=line.get_color(), alpha=0.15, lw=0)


def _finish_clicks(axis: Axes) -> None:
    axis.set_xlabel("clicks per object")
    axis.set_ylabel("IoU (%)")
    axis.set_ylim(0, 100)
    axis.set_xlim(left=1)
    axis.set_xticks([k for k in CLICKS if k <= axis.get_xlim()[1]])
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="best")


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"figures need the package {error.name}; `pip install 'clickseg3d[report]'`"
        ) from error
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(5.0 * columns, 4.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in grid[count:]:
        spare.remove()
    return figure, grid[:count]


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, metadata={"Software": None})
