"""What has been converted: one record a scene, with the checksums of its files.

A scene counts as done when its record is there and all its files have the checksums in it. The
record is written after the files, so that an interrupted conversion goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from clickseg3d_core.atomic import replacing
from clickseg3d_core.datasets.agile3d_writer import write_json
from clickseg3d_core.datasets.text_files import read_json
from clickseg3d_core.errors import ConfigError, FileFormatError

CHECKSUMS = "SHA256SUMS"
_FOLDER = ".convert"
_SETTINGS = Path(_FOLDER) / "settings.json"
_RECORDS = Path(_FOLDER) / "scenes"


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneRecord:
    """What was made of one scene.

    Attributes:
        scene: Its name in the data set.
        files: SHA-256 by path relative to the output folder.
        multi: Object ids by key of multi-object episode.
        single: Scene, object id and class of each single-object target.
        train: Key in train_list.json; "" if it is for evaluation.
        classes: Class by scan name and instance id, as text since JSON knows no other keys.
    """

    scene: str
    files: dict[str, str]
    multi: dict[str, list[int]]
    single: list[tuple[str, int, str]]
    train: str
    classes: dict[str, dict[str, str]]


def save_record(record: SceneRecord, out: Path) -> None:
    """Write a record; its files are in place already."""
    write_json(asdict(record), out / _RECORDS / f"{record.scene}.json")


def finished_record(scene: str, out: Path) -> SceneRecord | None:
    """The record of a scene whose files are all there and unchanged, else None."""
    path = out / _RECORDS / f"{scene}.json"
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        rows = [(str(s), int(i), str(c)) for s, i, c in content.pop("single")]
        record = SceneRecord(single=rows, **content)
        unchanged = all(sha256_of(out / name) == value for name, value in record.files.items())
    except (FileFormatError, OSError, TypeError, ValueError, KeyError, AttributeError):
        return None  # damaged: converted again
    return record if unchanged else None


def check_settings(settings: Mapping[str, object], scenes: Iterable[str], out: Path) -> None:
    """Make sure that what a folder holds already belongs to this conversion, and note it.

    Args:
        settings: All that the files depend on, of plain types.
        scenes: Names of the scenes that will be converted.
        out: Output folder.

    Raises:
        ConfigError: if the folder holds something else, another conversion, or scenes that this
            one lacks.
        FileFormatError: if the folder cannot be written or its settings cannot be read.
    """
    path = out / _SETTINGS
    if not path.exists() and out.is_dir() and {p.name for p in out.iterdir()} - {_FOLDER}:
        raise ConfigError(f"{out} holds files that are no conversion; give another folder")
    try:
        (out / _RECORDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFormatError(f"{out / _RECORDS} cannot be made ({error.strerror})") from error
    if not path.exists():
        write_json(settings, path)
    before, now = read_json(path), json.loads(json.dumps(settings))
    if not isinstance(before, dict):
        raise FileFormatError(f"{path} is damaged; remove it to convert all scenes again")
    changed = [k for k in {**before, **now} if before.get(k) != now.get(k)]
    if changed:
        raise ConfigError(
            f"{out} holds a conversion with {changed[0]} {before.get(changed[0])!r}, this one has "
            f"{now.get(changed[0])!r}; give another folder"
        )
    others = {p.stem for p in (out / _RECORDS).glob("[!.]*.json")} - set(scenes)
    if others:
        raise ConfigError(
            f"{out} holds {len(others)} scenes that are not part of this conversion, {min(others)} "
            "for one; give another folder"
        )


def remove_unfinished(out: Path) -> None:
    """Remove the temporary files that a killed conversion left behind, see `atomic.replacing`."""
    for pattern in (*(f".*.????????.{e}" for e in ("ply", "npz", "npy", "json", "txt")),
                    f".{CHECKSUMS}.????????"):  # fmt: skip
        for path in out.rglob(pattern):
            path.unlink(missing_ok=True)


def write_checksums(records: Iterable[SceneRecord], lists: Iterable[Path], out: Path) -> None:
    """Write SHA256SUMS over all files, in the form that `sha256sum -c` reads."""
    sums = {name: value for record in records for name, value in record.files.items()}
    sums |= {path.relative_to(out).as_posix(): sha256_of(path) for path in lists}
    lines = "".join(f"{value}  {name}\n" for name, value in sorted(sums.items()))
    with replacing(out / CHECKSUMS) as temporary:
        temporary.write_text(lines, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text.

    Raises:
        OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
