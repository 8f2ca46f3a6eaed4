"""Figures from traces and result files alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clickseg3d_core.datasets.agile3d import read_multi_list, read_single_list
from clickseg3d_core.errors import ConfigError, FileFormatError
from clickseg3d_core.evaluation.agile3d_csv import read_csv, write_csv
from clickseg3d_core.evaluation.breakdown import Vocabulary
from clickseg3d_core.evaluation.curves import Curve, curve_of
from clickseg3d_core.evaluation.protocol import Kind
from clickseg3d_core.evaluation.results import VERSION, results_of
from clickseg3d_core.evaluation.scores import score
from clickseg3d_core.evaluation.trace import EpisodeRecord, TraceHeader, in_order, read_trace


def rescore(
    paths: Sequence[Path], csv_out: Path | None = None, listed: Path | None = None
) -> dict[str, Any]:
    """Score a trace, the parts of one, or a result file of AGILE3D.

    Args:
        paths: .jsonl files of one run, or one .csv file.
        csv_out: Write the trace as AGILE3D's result file, too.
        listed: Folder in AGILE3D's layout; a .csv must have exactly the episodes of its list.

    Returns:
        As in results.json.

    Raises:
        FileFormatError: if a file is damaged, or an episode is missing, twice or unknown.
        ConfigError: if the files are not of one run.
    """
    if any(path.suffix == ".csv" for path in paths):
        if len(paths) > 1 or csv_out is not None:
            raise ConfigError("give one .csv file alone; --csv is for traces")
        return _rescore_csv(paths[0], listed)
    if listed is not None:
        raise ConfigError("a trace has its own list of episodes; --episodes is for .csv files")
    header, records = _read(paths)
    if csv_out is not None:
        curves = [curve for r in records if (curve := curve_of(r)) is not None]
        write_csv(csv_out, header.protocol.kind, curves, header.protocol.clicks)
    return results_of(header, records)


def _read(paths: Sequence[Path]) -> tuple[TraceHeader, list[EpisodeRecord]]:
    files = [path / "trace.jsonl" if path.is_dir() else path for path in paths]
    header, records = read_trace(files[0])
    for path in files[1:]:
        other, more = read_trace(path)
        if header.settings() != other.settings():
            raise ConfigError(f"{path} and {files[0]} are of different runs")
        records += more
    return header, in_order(header, records, ", ".join(map(str, files)))


def _rescore_csv(path: Path, listed: Path | None) -> dict[str, Any]:
    kind, cap, curves = read_csv(path)
    if listed is not None:
        _check_keys(path, curves, _listed_keys(listed, kind))
    figures = score(curves, cap, Vocabulary())
    run = {"protocol": {"name": f"agile3d-{kind}", "kind": kind, "clicks": cap}, "data": path.stem}
    return {"version": VERSION, "run": run, "figures": figures, "cost": None}


def _listed_keys(folder: Path, kind: Kind) -> list[str]:
    if kind == "multi":
        return list(read_multi_list(folder / "val_list.json"))
    return [f"{row.scene}_obj_{row.object_id}" for row in read_single_list(folder)]


def _check_keys(path: Path, curves: Sequence[Curve], keys: Sequence[str]) -> None:
    """AGILE3D leaves `scene` out of the names, and silently scores what both have."""
    wanted = {key.replace("scene", "") for key in keys}
    got = {curve.key for curve in curves}
    missing, unknown = sorted(wanted - got), sorted(got - wanted)
    if missing or unknown:
        raise FileFormatError(
            f"{path} lacks {len(missing)} episodes of the list {missing[:3]} and has "
            f"{len(unknown)} that are not in it {unknown[:3]}; the two belong to different releases"
        )
