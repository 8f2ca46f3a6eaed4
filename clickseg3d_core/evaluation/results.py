"""results.json: what ran, every figure, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clickseg3d_core.atomic import replacing
from clickseg3d_core.config import to_dict
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.breakdown import Vocabulary
from clickseg3d_core.evaluation.curves import curve_of
from clickseg3d_core.evaluation.scores import score
from clickseg3d_core.evaluation.trace import EpisodeRecord, TraceHeader

RESULTS_FILE = "results.json"
VERSION = 1


def results_of(header: TraceHeader, records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Score a whole trace.

    Args:
        header: What ran.
        records: Its episodes, in order.

    Returns:
        Plain values: `version`, `run` (all of the header but the keys), `figures` (see `score`) and
        `cost`, which alone differs from run to run.

    Raises:
        FileFormatError: if no episode was played.
    """
    curves = [curve for record in records if (curve := curve_of(record)) is not None]
    vocabulary = Vocabulary(names=_named_classes(header), of_data=header.class_map)
    figures = score(curves, header.protocol.clicks, vocabulary)
    run = {key: value for key, value in to_dict(header).items() if key != "keys"}
    return {
        "version": VERSION,
        "run": run,
        "figures": {**figures, "left_out": len(records) - len(curves)},
        "cost": _cost(records),
    }


def _named_classes(header: TraceHeader) -> tuple[str, ...]:
    """The classes of the method; none if it has no class head."""
    model = header.method.get("model", {})
    heads = model.get("decoder", {}).get("class_head", True)
    return tuple(model.get("class_names", ())) if heads else ()


def write_results(folder: Path, header: TraceHeader, records: Sequence[EpisodeRecord]) -> Path:
    """Score a whole trace and write results.json into a folder, whole or not at all."""
    path = folder / RESULTS_FILE
    text = json.dumps(results_of(header, records), indent=1, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_results(path: Path) -> dict[str, Any]:
    """Read a results.json, or that of a folder.

    Raises:
        FileFormatError: if it is missing, damaged or of another version.
    """
    file = path / RESULTS_FILE if path.is_dir() else path
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"{file} cannot be read ({error}); `clickseg3d evaluate` writes it when every episode "
            "is there"
        ) from error
    if not isinstance(results, dict) or results.get("version") != VERSION:
        raise FileFormatError(f"{file} is no results file of version {VERSION}")
    return results


def _cost(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Seconds and megabytes: median, 95th percentile, totals, peaks."""
    costs = [record.cost for record in records]
    encode = [c["encode_s"] for c in costs if c.get("encode_s") is not None]
    answers = [s for c in costs for s in c.get("segment_s", ())]
    return {
        "encode_s": _spread(encode),
        "click_s": _spread(answers),
        "user_s": sum(c.get("user_s", 0.0) for c in costs),
        "total_s": sum(map(_total, costs)),
        "peak_mb": max((c.get("peak_mb", 0.0) for c in costs), default=0.0),
        "peak_cuda_mb": max((c.get("peak_cuda_mb", 0.0) for c in costs), default=0.0),
    }


def _total(cost: Mapping[str, Any]) -> float:
    return float(
        cost.get("read_s", 0.0)
        + (cost.get("encode_s") or 0.0)
        + sum(cost.get("segment_s", ()))
        + cost.get("user_s", 0.0)
    )


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {
        "count": len(seconds),
        "median": float(np.median(seconds)),
        "p95": float(np.percentile(seconds, 95)),
    }
