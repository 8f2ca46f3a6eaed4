"""The paper's tables: published rows, and measured rows beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clickseg3d_core.report.markdown import number, table
from clickseg3d_core.report.measured import Measured
from clickseg3d_core.report.published import PublishedRow

_ABOUT = ("method", "data", "protocol", "trained on", "domain", "source")
_TABLE1 = (1, 3, 5, 7, 10)
_TABLE3_IOU, _TABLE3_NOC = (5, 10, 15), (80, 85, 90)


def iou_table(published: Sequence[PublishedRow], measured: Sequence[Measured]) -> str:
    """Table 1: IoU by clicks."""
    columns = [*_ABOUT, *(f"IoU@{k}" for k in _TABLE1)]

    def ours(m: Measured) -> list[str]:
        return [number(m.iou(k)) for k in _TABLE1]

    def theirs(row: PublishedRow) -> list[str]:
        return [number(row["iou"].get(k)) for k in _TABLE1]

    return table(columns, _by_data(published, measured, theirs, ours))


def clicks_table(published: Sequence[PublishedRow], measured: Sequence[Measured]) -> str:
    """Table 3 and Table S1: IoU by clicks, and clicks to an IoU."""
    columns = [
        *_ABOUT,
        *(f"IoU@{k}" for k in _TABLE3_IOU),
        *(f"NoC@{q}" for q in _TABLE3_NOC),
    ]

    def ours(m: Measured) -> list[str]:
        return [
            *(number(m.iou(k)) for k in _TABLE3_IOU),
            *(number(m.noc(q)) for q in _TABLE3_NOC),
        ]

    def theirs(row: PublishedRow) -> list[str]:
        noc = row.get("noc", {})
        return [
            *(number(row["iou"].get(k)) for k in _TABLE3_IOU),
            *(number(noc.get(q)) for q in _TABLE3_NOC),
        ]

    return table(columns, _by_data(published, measured, theirs, ours))


def precision_table(published: Sequence[PublishedRow], measured: Sequence[Measured]) -> str:
    """Table 2: mIoU and AP at one click; a measured row of each kind of AP."""
    columns = [*_ABOUT, "AP is", "IoU@1", "class mean IoU", "AP25", "AP50"]

    def theirs(row: PublishedRow) -> list[str]:
        values = (row["miou"], None, row["ap25"], row["ap50"])
        return [row["kind"], *map(number, values)]

    def success(m: Measured) -> list[str]:
        return ["success rate", *_precision(m, m.figures["success"]["1"])]

    def aware(m: Measured) -> list[str]:
        return ["class-aware, ranked by score", *_precision(m, m.figures["class_aware_ap"]["1"])]

    named = [m for m in measured if m.figures["class_aware_ap"] is not None]
    rows = _by_data(published, measured, theirs, success) + _by_data([], named, theirs, aware)
    return table(columns, rows)


def ablation_table(published: Sequence[PublishedRow], measured: Sequence[Measured]) -> str:
    """Table 4: each row as published on ScanNet40, and as measured by the run of its name."""
    columns = ["row", "", "data", "protocol", "mIoU", "mACC", "AP50"]
    rows = []
    for number_, row in enumerate(published, start=1):
        name = f"{number_}. {row['row']}"
        values = (row["miou"], row["macc"], row["ap50"])
        rows.append([name, "published", "ScanNet40", "unstated", *map(number, values)])
        for m in measured:
            if m.method.casefold() == row["row"].casefold():
                rows.append([name, "measured", m.data, m.protocol, *_ablation(m)])
    return table(columns, rows)


def cost_table(published: Sequence[PublishedRow], measured: Sequence[Measured]) -> str:
    """Table 5: size and time. A measured click is one answer, the encoding apart."""
    columns = ["method", "source", "size MB", "latency s", "encode s", "click s", "p95", "peak MB"]
    rows = [
        [row["method"], row["source"], number(row["size_mb"]), number(row["latency_s"], 2),
         *["-"] * 4]
        for row in published
    ]  # fmt: skip
    for m in measured:
        cost = m.cost or {}
        encode, click = cost.get("encode_s") or {}, cost.get("click_s") or {}
        rows.append([
            f"{m.method}, {m.data}", f"measured, {m.facts.get('device', 'cpu')}",
            number(m.size_mb), "-", number(encode.get("median"), 2),
            number(click.get("median"), 3), number(click.get("p95"), 3),
            number(cost.get("peak_mb"), 0),
        ])  # fmt: skip
    return table(columns, rows)


def breakdown_tables(m: Measured) -> Iterable[tuple[str, str]]:
    """Title and table of IoU by objects, by size and by class of one result."""
    figures = m.figures
    clicks = [k for k in map(str, _TABLE1) if k in figures["iou"]]
    for name, key, counted in (
        ("objects per episode", "by_objects", "episodes"),
        ("bounding box diagonal", "by_size", "objects"),
        ("class", "by_class", "objects"),
    ):
        groups: Mapping[str, Any] | None = figures.get(key)
        if not groups or (key == "by_objects" and len(groups) < 2):
            continue
        rows = [
            [group, str(entry[counted]), *(number(100.0 * entry["iou"][k]) for k in clicks)]
            for group, entry in groups.items()
        ]
        yield name, table([name, counted, *(f"IoU@{k}" for k in clicks)], rows)


def interval_table(measured: Sequence[Measured]) -> str:
    """IoU with 95 % intervals of every result."""
    rows = []
    for m in measured:
        cells = []
        for k in _TABLE1:
            ends = m.figures["interval95"].get(f"iou@{k}")
            cells.append(
                "-" if ends is None else
                f"{number(m.iou(k))} ({100 * ends[0]:.1f} to {100 * ends[1]:.1f})"
            )  # fmt: skip
        rows.append([m.method, m.data, m.protocol, str(m.episodes), m.folder, *cells])
    columns = ["method", "data", "protocol", "episodes", "folder", *(f"IoU@{k}" for k in _TABLE1)]
    return table(columns, rows)


def notes(published: Iterable[PublishedRow]) -> list[str]:
    """What has to be known about published rows."""
    return [
        f"{row['method']}, {row['data']}, {row['source']}: {row['note']}."
        for row in published
        if "note" in row
    ]


def _by_data(
    published: Sequence[PublishedRow],
    measured: Sequence[Measured],
    theirs: Callable[[PublishedRow], list[str]],
    ours: Callable[[Measured], list[str]],
) -> list[list[str]]:
    """Rows by data set, measured ones after the published ones of the same data."""
    names = list(dict.fromkeys([*(row["data"] for row in published), *(m.data for m in measured)]))
    rows = []
    for name in names:
        rows += [[*_published_cells(r), *theirs(r)] for r in published if r["data"] == name]
        rows += [[*_measured_cells(m), *ours(m)] for m in measured if m.data == name]
    return rows


def _published_cells(row: PublishedRow) -> list[str]:
    names = ("method", "data", "protocol", "trained_on", "domain", "source")
    return [str(row[name]) for name in names]


def _measured_cells(m: Measured) -> list[str]:
    return [m.method, m.data, m.protocol, m.trained_on or "not stated", m.domain, "measured"]


def _precision(m: Measured, ap: Mapping[str, float]) -> list[str]:
    """IoU@1, its mean over classes, AP25 and AP50, in percent."""
    class_mean = (m.figures["class_mean_iou"] or {}).get("1")
    return [
        number(m.iou(1)),
        number(None if class_mean is None else 100.0 * class_mean),
        number(100.0 * ap["ap25"]),
        number(100.0 * ap["ap50"]),
    ]


def _ablation(m: Measured) -> list[str]:
    recall = (m.figures["class_mean_recall"] or {}).get("1")
    aware = (m.figures["class_aware_ap"] or {}).get("1")
    ap = m.figures["success"]["1"]["ap50"] if aware is None else aware["ap50"]
    return [
        number(m.iou(1)),
        number(None if recall is None else 100.0 * recall),
        number(100.0 * ap) + (" (success rate)" if aware is None else ""),
    ]
