"""Result files as AGILE3D's evaluation writes them: "index scene N clicks IoU" a line.

The third column is the number of objects of a multi-object episode, whose clicks are counted per
object ("1.3333333333333333"), or the object of a single-object one, whose clicks are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from clickseg3d_core.atomic import replacing
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.curves import Curve
from clickseg3d_core.evaluation.protocol import Kind

Row = tuple[str, str, float, float]


def read_csv(path: Path) -> tuple[Kind, int, list[Curve]]:
    """Read a result file.

    Returns:
        The kind; the most clicks per object; and one curve per scene and N, or scene and object, in
        order of appearance.

    Raises:
        FileFormatError: naming file and line, if a row cannot be read, or episodes lack rows.
    """
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    fractions = False
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            scene, third, clicks, iou = _row(line, f"{path}:{number}")
            fractions |= "." in line.split()[3]
            groups.setdefault((scene, third), []).append((clicks, iou))
    if not groups:
        raise FileFormatError(f"{path} has no rows")
    kind: Kind = "multi" if fractions else "single"
    cap = round(max(rows[-1][0] for rows in groups.values()))
    return kind, cap, [_curve(path, kind, cap, key, rows) for key, rows in groups.items()]


def write_csv(path: Path, kind: Kind, curves: Sequence[Curve], cap: int) -> None:
    """Write a result file that AGILE3D's evaluators read, every round up to the cap in its row."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for index, curve in enumerate(curves):
            file.writelines(_rows(index, kind, curve, cap))


def _rows(index: int, kind: Kind, curve: Curve, cap: int) -> Iterable[str]:
    scene, _, third = curve.key.rpartition("_obj_")
    scene = scene.replace("scene", "")
    per = curve.per_object
    for count in (0, *range(per, cap * per + 1)):
        row = int(np.searchsorted(curve.counts, count, side="right")) - 1
        clicks = count / per if kind == "multi" else count
        yield f"{index} {scene} {third} {clicks} {float(curve.mean_iou[row])}\n"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read as a result file ({error})") from error


def _row(line: str, where: str) -> Row:
    parts = line.split()
    try:
        _, scene, third, clicks, iou = parts
        row = scene.replace("scene", ""), third, float(clicks), float(iou)
    except ValueError as error:
        raise FileFormatError(
            f"{where}: a row is `index scene N clicks IoU`, got {line!r:.80}"
        ) from error
    if not (row[2] >= 0 and 0 <= row[3] <= 1):
        raise FileFormatError(f"{where}: clicks must be >= 0 and IoU in 0..1, got {line!r:.80}")
    return row


def _curve(
    path: Path, kind: Kind, cap: int, key: tuple[str, str], rows: Sequence[tuple[float, float]]
) -> Curve:
    name = f"{key[0]}_obj_{key[1]}"
    per = _objects(path, key[1]) if kind == "multi" else 1
    clicks, iou = np.array(rows, dtype=np.float64).T
    counts = np.rint(clicks * per).astype(np.int64)
    if counts.tolist() != [0, *range(per, cap * per + 1)]:
        raise FileFormatError(
            f"{path}: {name} must have a row at 0 clicks, at 1 per object, and at each further "
            f"click up to {cap} per object, in order; got {len(rows)} rows, the last at "
            f"{clicks[-1]:g}"
        )
    return Curve(
        key=name,
        per_object=per,
        counts=counts,
        iou=iou[:, None],
        mean_iou=iou,
        recall=None,
        targets=(),
        named={},
    )


def _objects(path: Path, third: str) -> int:
    if not third.isdigit() or int(third) < 1:
        raise FileFormatError(f"{path}: the third column must be a number of objects, got {third}")
    return int(third)
