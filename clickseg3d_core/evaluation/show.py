"""The figures of an evaluation as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table


def summary_tables(results: Mapping[str, Any]) -> list[Table]:
    """IoU and clicks; precision; what it cost.

    Args:
        results: As in results.json.
    """
    figures, run = results["figures"], results["run"]
    protocol = run["protocol"]
    tables = [_main(figures, f"{run['data']}, {protocol['name']}"), _precision(figures)]
    if results.get("cost"):
        tables.append(_cost(results["cost"]))
    return tables


def _main(figures: Mapping[str, Any], name: str) -> Table:
    counts = f"{figures['episodes']} episodes"
    if figures["objects"] is not None:
        counts += f", {figures['objects']} objects"
    table = Table(title=f"{name}: {counts}")
    for column in ("figure", "value", "95 % interval"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for k, value in figures["iou"].items():
        table.add_row(f"IoU@{k}", f"{100 * value:.2f}", _range(figures, f"iou@{k}", 100.0))
    table.add_section()
    for q, value in figures["noc"].items():
        table.add_row(f"NoC@{q}", f"{value:.2f}", _range(figures, f"noc@{q}", 1.0))
    return table


def _range(figures: Mapping[str, Any], name: str, factor: float) -> str:
    low, high = figures["interval95"][name]
    return f"{factor * low:.2f} .. {factor * high:.2f}"


def _precision(figures: Mapping[str, Any]) -> Table:
    table = Table(title="per object, by clicks")
    rows: dict[str, Callable[[str], float | None]] = {
        "AP, success rate": lambda k: figures["success"][k]["ap"],
        "AP50, success rate": lambda k: figures["success"][k]["ap50"],
        "AP25, success rate": lambda k: figures["success"][k]["ap25"],
    }
    if figures["class_aware_ap"] is not None:
        rows |= {
            "AP50, class-aware": lambda k: figures["class_aware_ap"][k]["ap50"],
            "AP25, class-aware": lambda k: figures["class_aware_ap"][k]["ap25"],
            "class right": lambda k: figures["class_right"][k],
        }
    if figures["class_mean_iou"] is not None:
        rows |= {
            "IoU, mean of classes": lambda k: figures["class_mean_iou"][k],
            "recall, mean of classes": lambda k: figures["class_mean_recall"][k],
        }
    table.add_column("figure")
    for k in figures["iou"]:
        table.add_column(f"@{k}", justify="right")
    for name, value_at in rows.items():
        table.add_row(name, *(_percent(value_at(k)) for k in figures["iou"]))
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _cost(cost: Mapping[str, Any]) -> Table:
    table = Table(title="cost")
    for name in ("encode s", "p95", "click ms", "p95 ", "user s", "total s", "peak MB"):
        table.add_column(name, justify="right")
    encode, click = cost["encode_s"], cost["click_s"]
    table.add_row(
        _number(encode, "median", 1.0, 2),
        _number(encode, "p95", 1.0, 2),
        _number(click, "median", 1000.0, 0),
        _number(click, "p95", 1000.0, 0),
        f"{cost['user_s']:.1f}",
        f"{cost['total_s']:.1f}",
        f"{cost['peak_mb']:.0f}",
    )
    return table


def _number(spread: Mapping[str, float] | None, name: str, factor: float, digits: int) -> str:
    return "-" if spread is None else f"{factor * spread[name]:.{digits}f}"
