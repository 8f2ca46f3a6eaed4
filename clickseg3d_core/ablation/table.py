"""The table of a study: figures of each row, and what they differ from the reference by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.ablation.measure import is_measured
from clickseg3d_core.ablation.study import RUN, Row, Study
from clickseg3d_core.atomic import replacing
from clickseg3d_core.evaluation.bootstrap import intervals
from clickseg3d_core.evaluation.curves import curve_of, mean_iou_at
from clickseg3d_core.evaluation.evaluate import TRACE_FILE
from clickseg3d_core.evaluation.results import read_results
from clickseg3d_core.evaluation.trace import read_trace
from clickseg3d_core.report.markdown import number, table
from clickseg3d_core.training.run import METRICS_FILE

_COLUMNS = {
    "iou@1": "IoU@1",
    "iou@3": "IoU@3",
    "miou": "mIoU",
    "macc": "mACC",
    "ap50": "AP50",
    "class": "class right",
}
_NOTES = """\
In percent; in brackets the difference to the first row. IoU@1 and IoU@3 are means over objects that
are clicked alone. The rest is after one click on each of up to {objects} nearby objects together:
mIoU and mACC are means over classes of IoU and recall, AP50 is the part of the objects with an IoU
above one half, and "class right" the part that got the right name. "95 %" is the interval of the
difference of IoU@1 over the choice of objects, drawn again; it does not count the chance of
training, of which each row is one run with the same seed. Seconds are those of a training step
without the loading of data.
"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measurement:
    """What is known of a finished row.

    Attributes:
        row: The row.
        figures: By the keys of the table, from 0 to 1; None where the network gives none.
        alone: IoU after one click of each object that was clicked alone, by key of the episode.
        parameters: Of the network.
        steps: Trained.
        step_s: Seconds of a training step.
        clicks: Mean clicks of a training step at the end.
    """

    row: Row
    figures: dict[str, float | None]
    alone: dict[str, float]
    parameters: int
    steps: int
    step_s: float
    clicks: float


def write_tables(study: Study, rows: Path, output: Path, objects: int) -> list[Path]:
    """Write table.md and table.json of all rows that are finished.

    Args:
        study: The rows.
        rows: Folder of the rows' folders.
        output: Folder to write to.
        objects: Most objects that were clicked together.

    Returns:
        The two files.
    """
    done = [
        read_measurement(row, rows / row.name, rows / study.source(row).name / RUN)
        for row in study.rows
        if is_measured(rows / row.name)
    ]
    reference = next((m for m in done if m.row.name == study.reference), None)
    done.sort(key=lambda m: m is not reference)
    entries = [_entry(m, reference) for m in done]
    missing = [row.name for row in study.rows if row.name not in {m.row.name for m in done}]
    record = {"title": study.title, "reference": study.reference, "rows": entries,
              "missing": missing}  # fmt: skip
    texts = {
        "table.json": json.dumps(record, indent=1) + "\n",
        "table.md": _markdown(study.title, entries, missing, objects),
    }
    for name, text in texts.items():
        with replacing(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [output / name for name in texts]


def read_measurement(row: Row, folder: Path, run: Path) -> Measurement:
    """Read the results of a row.

    Args:
        row: The row.
        folder: With the results of both protocols.
        run: Folder of its training.

    Raises:
        FileFormatError: if one cannot be read.
    """
    single, multi = (read_results(folder / kind) for kind in ("single", "multi"))
    together, alone = multi["figures"], single["figures"]
    figures = {
        "iou@1": alone["iou"].get("1"),
        "iou@3": alone["iou"].get("3"),
        "miou": _at_one(together["class_mean_iou"]),
        "macc": _at_one(together["class_mean_recall"]),
        "ap50": together["success"]["1"]["ap50"],
        "class": _at_one(together["class_right"])
        if multi["run"]["method"]["model"]["decoder"]["class_head"]
        else None,
    }
    _, records = read_trace(folder / "single" / TRACE_FILE)
    curves = [curve for record in records if (curve := curve_of(record)) is not None]
    keys = [curve.key for curve in curves]
    last = _last_step(run / METRICS_FILE)
    return Measurement(
        row=row,
        figures=figures,
        alone=dict(zip(keys, mean_iou_at(curves, 1).tolist(), strict=True)),
        parameters=int(multi["run"]["method"]["parameters"]),
        steps=int(last["step"]),
        step_s=float(last["seconds"]) / max(int(last["step"]), 1),
        clicks=float(last.get("clicks", np.nan)),
    )


def _at_one(values: dict[str, float] | None) -> float | None:
    return None if values is None else values["1"]


def _last_step(path: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return next(row for row in reversed(rows) if "seconds" in row)


def _entry(measured: Measurement, reference: Measurement | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": measured.row.name,
        "label": measured.row.label,
        "settings": measured.row.numbers,
        **measured.figures,
        "parameters": measured.parameters,
        "steps": measured.steps,
        "step_s": measured.step_s,
        "clicks_per_step": measured.clicks,
    }
    if reference is None or reference is measured:
        return entry
    own, theirs = measured.figures, reference.figures
    entry["difference"] = {
        name: None if value is None or theirs[name] is None else value - theirs[name]  # type: ignore[operator]
        for name, value in own.items()
    }
    entry["difference95"] = _paired_interval(measured.alone, reference.alone)
    return entry


def _paired_interval(own: dict[str, float], theirs: dict[str, float]) -> list[float]:
    """95 % interval of the mean difference over objects that both were asked for."""
    keys = sorted(own.keys() & theirs.keys())
    apart: NDArray[np.float64] = np.array([own[key] - theirs[key] for key in keys])
    ends = intervals(apart[:, None], np.ones((len(keys), 1)))[0]
    return [float(end) for end in ends]


def _markdown(title: str, entries: list[dict[str, Any]], missing: list[str], objects: int) -> str:
    columns = ["", *_COLUMNS.values(), "95 %", "M parameters", "s a step", "steps"]
    rows = []
    for entry in entries:
        cells = [_cell(entry, name) for name in _COLUMNS]
        ends = entry.get("difference95")
        interval = "" if ends is None else f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"
        rows.append([
            entry["label"], *cells, interval, number(entry["parameters"] / 1e6, 2),
            number(entry["step_s"], 2), str(entry["steps"]),
        ])  # fmt: skip
    parts = [f"# {title}\n", table(columns, rows), _NOTES.format(objects=objects)]
    if missing:
        parts.append(f"Not there yet: {', '.join(missing)}.\n")
    return "\n".join(parts)


def _cell(entry: dict[str, Any], name: str) -> str:
    value = entry[name]
    text = number(None if value is None else 100 * value)
    apart = entry.get("difference", {}).get(name)
    return text if apart is None else f"{text} ({100 * apart:+.1f})"
