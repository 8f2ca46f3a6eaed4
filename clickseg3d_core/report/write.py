"""The report: one markdown file and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clickseg3d_core.atomic import replacing
from clickseg3d_core.report import figures, tables
from clickseg3d_core.report.measured import Measured, read_measured
from clickseg3d_core.report.published import PublishedRow, published_tables

REPORT_FILE = "report.md"

_HOW_TO_READ = """\
Rows with source "measured" come from the result folders; all others are published figures. Source
"paper": printed in the paper whose method this is. "files": recomputed from the result files in
AGILE3D's repository. "printed": printed in the row's own paper. "notes": from others' notes on
that paper. Figures of different data or protocols do not compare. IoU and AP are in percent, NoC
in clicks per object. IoU and NoC are means over episodes with several objects each (agile3d-multi)
or over objects (all others).
"""

_PRECISION = """\
"success rate" is what AGILE3D and its successors call AP: the part of the objects whose IoU is
above the threshold. "class-aware" ranks all masks by class score times mask score and needs the
class to be right. The paper does not say which its own figures are.
"""


def write_report(folders: Sequence[Path], out: Path) -> list[Path]:
    """Write report.md and its PNG figures.

    Args:
        folders: Result folders.
        out: Folder to write to; made if missing.

    Returns:
        The files.

    Raises:
        ConfigError: if no folder is given or matplotlib is missing.
        FileFormatError: if a folder has no results.
    """
    measured = read_measured(folders)
    published = published_tables()
    out.mkdir(parents=True, exist_ok=True)
    drawn = _draw(published["table1"], measured, out)
    text = "\n\n".join(part.strip("\n") for part in _sections(published, measured, drawn)) + "\n"
    report = out / REPORT_FILE
    with replacing(report) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [report, *(path for _, path in drawn)]


def _draw(
    table1: Sequence[PublishedRow], measured: Sequence[Measured], out: Path
) -> list[tuple[str, Path]]:
    paths = [out / f"figure{n}.png" for n in (4, 5, 6)]
    drawn = [("Fig. 4: IoU against clicks, with 95 % intervals", paths[0])]
    figures.iou_against_clicks(table1, measured, paths[0])
    if figures.iou_by_queries(measured, paths[1]):
        drawn.append(("Fig. 5: IoU against clicks by number of training queries", paths[1]))
    if figures.iou_over_settings(measured, paths[2]):
        drawn.append(("Fig. 6: IoU over sizes of the network", paths[2]))
    return drawn


def _sections(
    published: dict[str, Sequence[PublishedRow]],
    measured: Sequence[Measured],
    drawn: Sequence[tuple[str, Path]],
) -> list[str]:
    multi = [m for m in measured if m.kind == "multi"]
    single = [m for m in measured if m.kind == "single"]
    parts = ["# Results", _HOW_TO_READ, "## Measured, with 95 % intervals"]
    parts.append(tables.interval_table(measured))
    for title, path in drawn:
        parts += [f"## {title}", f"![{title}]({path.name})\n"]
    parts += ["## Table 1: IoU by clicks", tables.iou_table(published["table1"], measured)]
    parts += _notes(published["table1"])
    parts += ["## Table 2: AP at one click", _PRECISION]
    parts.append(tables.precision_table(published["table2"], measured))
    parts += _notes(published["table2"])
    parts.append("## Table 3: several objects at once")
    parts.append(tables.clicks_table(published["table3"], multi))
    parts.append("## Table S1: one object at a time")
    parts.append(tables.clicks_table(published["tableS1"], single))
    parts += _notes(published["tableS1"])
    parts.append("## Table 4: ablations, at one click")
    parts.append(tables.ablation_table(published["table4"], measured))
    parts.append("## Table 5: size and time")
    parts.append(tables.cost_table(published["table5"], measured))
    for m in measured:
        for name, text in tables.breakdown_tables(m):
            parts += [f"## {m.method}, {m.data}, {m.protocol}: IoU by {name}", text]
    return parts


def _notes(rows: Sequence[PublishedRow]) -> list[str]:
    lines = tables.notes(rows)
    return ["\n".join(f"- {line}" for line in lines) + "\n"] if lines else []
