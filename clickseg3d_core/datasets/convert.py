"""Converts data sets: into AGILE3D's layout for evaluation, or into scene files for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from clickseg3d_core.datasets.agile3d_writer import (
    write_json,
    write_multi_list,
    write_single_list,
)
from clickseg3d_core.datasets.layouts import (
    write_benchmark_scene,
    write_benchmark_training_scene,
    write_training_scene,
)
from clickseg3d_core.datasets.records import (
    SceneRecord,
    check_settings,
    finished_record,
    remove_unfinished,
    save_record,
    write_checksums,
)
from clickseg3d_core.datasets.rules import Rules
from clickseg3d_core.datasets.scene_set import SceneSet
from clickseg3d_core.errors import ConfigError, FileFormatError

LAYOUTS = ("agile3d", "scenes")
_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conversion:
    """What to convert.

    Attributes:
        scenes: With layout agile3d those to evaluate on, with layout scenes those to train on.
        train: Scenes for train_list.json of layout agile3d, or None.
        layout: One of `LAYOUTS`.
        rules: How episodes and crops are made.
        seed: Seed of the draws.
        options: Options of the reader that change what is read, to tell conversions apart.

    Raises:
        ConfigError: if the layout or a target class is unknown, or a scene is in both sets.
    """

    scenes: SceneSet
    layout: str
    rules: Rules
    train: SceneSet | None = None
    seed: int = 0
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if self.train is not None and self.layout != "agile3d":
            raise ConfigError("layout scenes takes one split; convert the other to another folder")
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, got {self.seed}")
        unknown = set(self.rules.targets or ()) - set(self.scenes.class_names)
        if unknown:
            raise ConfigError(
                f"{self.scenes.dataset} has no class {min(unknown)!r}; it has "
                f"{', '.join(self.scenes.class_names)}"
            )
        both = set(self.scenes.names) & set(self.train.names if self.train else ())
        if both:
            raise ConfigError(
                f"{len(both)} scenes are both for training and evaluation, {min(both)} for one"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """All scenes, in order of name, so that no list depends on the order of the source."""
        return tuple(sorted([*self.scenes.names, *(self.train.names if self.train else ())]))

    def part(self, name: str) -> Conversion:
        """The conversion of one scene, which is quick to send to another process."""
        train = self.train is not None and name in self.train.paths
        none = replace(self.scenes, paths={})
        return replace(
            self,
            scenes=none if train else self.scenes.only([name]),
            train=self.train.only([name]) if self.train is not None and train else None,
        )

    def settings(self) -> dict[str, object]:
        """All that the files depend on beside the raw data."""
        return {
            "version": _VERSION,
            "dataset": self.scenes.dataset,
            "layout": self.layout,
            "seed": self.seed,
            "options": self.options,
            **asdict(self.rules),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionReport:
    """What is in the output folder after a conversion.

    Attributes:
        scenes: Scenes of the data set.
        kept: How many of them were there already, with the right checksums.
        files: Scans, crops or scene files.
        multi: Multi-object episodes.
        single: Single-object targets.
    """

    scenes: int
    kept: int
    files: int
    multi: int
    single: int


def convert(
    conversion: Conversion,
    out: Path,
    workers: int = 1,
    on_scene: Callable[[str], None] | None = None,
) -> ConversionReport:
    """Convert a data set; scenes that are finished and unchanged are kept.

    Each scene's files and draws depend on the raw data, the rules, the seed and its name only,
    whatever the number of workers. Files appear whole or not at all; the lists and SHA256SUMS come
    last.

    Args:
        conversion: What to convert.
        out: Folder; made if missing.
        workers: Processes; 1 converts in this one.
        on_scene: Called with the name of each finished scene, in order.

    Raises:
        ConfigError: if `workers` is under 1, or the folder holds another conversion.
        FileFormatError: if raw data are missing or damaged, or a file cannot be written.
    """
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}")
    raw = {path.resolve() for path in conversion.scenes.paths.values()}
    if out.resolve() in raw | {path.parent for path in raw}:
        raise ConfigError(f"{out} holds the raw data; give another folder")
    check_settings(conversion.settings(), conversion.names, out)
    remove_unfinished(out)
    records: list[SceneRecord] = []
    kept = 0
    for record, was_there in _convert_all(conversion, out, workers):
        records.append(record)
        kept += was_there
        if on_scene is not None:
            on_scene(record.scene)
    if not any(record.files for record in records):
        raise FileFormatError(
            f"nothing was written for {len(records)} scenes; tiles of {conversion.rules.tile} m "
            "have too few points or no object"
        )
    lists = _write_lists(records, conversion, out) if conversion.layout == "agile3d" else []
    write_checksums(records, lists, out)
    return ConversionReport(
        scenes=len(records),
        kept=kept,
        files=sum(len(record.files) for record in records),
        multi=sum(len(record.multi) for record in records),
        single=sum(len(record.single) for record in records),
    )


def convert_scene(part: Conversion, out: Path) -> tuple[SceneRecord, bool]:
    """Convert the one scene of a `Conversion.part`, unless it is finished.

    Returns:
        Its record, and whether it was there already.
    """
    (name,) = part.names
    before = finished_record(name, out)
    if before is not None:
        return before, True
    record = _write_scene(part, out, name)
    save_record(record, out)
    return record, False


def _write_scene(part: Conversion, out: Path, name: str) -> SceneRecord:
    if part.train is not None:
        return write_benchmark_training_scene(part.train.read(name), name, part.rules, out)
    scene = part.scenes.read(name)
    if part.layout == "scenes":
        return write_training_scene(scene, name, part.rules, out)
    return write_benchmark_scene(scene, name, part.rules, part.seed, out)


def _convert_all(
    conversion: Conversion, out: Path, workers: int
) -> Iterator[tuple[SceneRecord, bool]]:
    parts = map(conversion.part, conversion.names)
    if workers == 1:
        yield from map(convert_scene, parts, repeat(out))
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        yield from pool.map(convert_scene, parts, repeat(out))
    except BrokenProcessPool as error:
        raise FileFormatError(
            "a worker process ended, perhaps for want of memory; run the same command with fewer "
            "--workers to go on"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write_lists(records: list[SceneRecord], conversion: Conversion, out: Path) -> list[Path]:
    multi = {key: ids for record in records for key, ids in record.multi.items()}
    single = [row for record in records for row in record.single]
    classes = {scan: c for record in records for scan, c in record.classes.items()}
    if not single:
        raise FileFormatError(
            f"none of the {len(conversion.scenes)} scenes has an object to click; are they "
            "labelled, and is --min-points low enough?"
        )
    write_multi_list(multi, out / "val_list.json")
    write_single_list(single, out / "single")
    write_json(classes, out / "instance_classes.json")
    names = ["val_list.json", "instance_classes.json"]
    names += ["single/object_ids.npy", "single/object_classes.txt"]
    if conversion.train is not None:
        write_json({r.train: {} for r in records if r.train}, out / "train_list.json")
        names.append("train_list.json")
    return [out / name for name in names]
