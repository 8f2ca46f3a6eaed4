"""What a study compares: rows of changes to one training config."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clickseg3d_core.config import from_dict, load_yaml
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.network import ModelConfig
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.loop import read_config

RUN = "run"
"""Folder of a row's training, within the row's own."""

_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One training of a study.

    Attributes:
        name: Of its folder: lower case letters, digits and _.
        label: What tables call it.
        changes: `key=value` changes of the training config.
        config: Training config of this row, relative to the study; None takes the study's.
        same_as: Row whose training this is under another label; then nothing else is given.
        settings: `name=number`, which figures of `clickseg3d report` are drawn over.

    Raises:
        ConfigError: if a setting is no number, or `same_as` comes with changes.
    """

    name: str
    label: str
    changes: tuple[str, ...] = ()
    config: Path | None = None
    same_as: str | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.same_as is not None and (self.changes or self.config):
            raise ConfigError(f"row {self.name} is the same as {self.same_as}, so without changes")
        _ = self.numbers

    @property
    def numbers(self) -> dict[str, float]:
        """Settings by name."""
        values = {}
        for text in self.settings:
            name, _, value = text.partition("=")
            try:
                values[name] = float(value)
            except ValueError as error:
                raise ConfigError(
                    f"row {self.name}: a setting is written name=number, got {text!r}"
                ) from error
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Rows to be trained with the same scenes, steps and seed.

    Attributes:
        title: Of the table, and what to know when reading it.
        config: Training config that the rows change, relative to the study's file.
        reference: Row that the others are compared with.
        rows: In the order of the table.
        changes: `key=value` changes of every row.

    Raises:
        ConfigError: if names are odd or occur twice, or the reference is not there.
    """

    title: str
    config: Path
    reference: str
    rows: tuple[Row, ...]
    changes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        odd = [name for name in names if not _NAME.fullmatch(name)]
        if odd or len(set(names)) < len(names):
            raise ConfigError(
                "the names of rows must be unique and of a-z, 0-9 and _, got "
                f"{', '.join(odd or names)}"
            )
        trained = [row.name for row in self.rows if row.same_as is None]
        for name in (self.reference, *(row.same_as for row in self.rows if row.same_as)):
            if name not in trained:
                raise ConfigError(
                    f"reference and same_as must be one of {', '.join(trained)}, got {name!r}"
                )

    def source(self, row: Row) -> Row:
        """The row whose training a row shows."""
        return next(other for other in self.rows if other.name == (row.same_as or row.name))

    def only(self, names: Sequence[str]) -> tuple[Row, ...]:
        """Some of the rows, in the study's order.

        Raises:
            ConfigError: if a name is not there.
        """
        unknown = set(names) - {row.name for row in self.rows}
        if unknown:
            raise ConfigError(
                f"there is no row {min(unknown)!r}; there are "
                f"{', '.join(row.name for row in self.rows)}"
            )
        return tuple(row for row in self.rows if row.name in names)


def read_study(path: Path) -> Study:
    """Read a study; its paths come out relative to the working directory.

    Raises:
        ConfigError: if the file cannot be read or a value does not fit.
    """
    values = load_yaml(path)
    for mapping in (values, *(r for r in values.get("rows") or () if isinstance(r, dict))):
        if isinstance(mapping.get("config"), str):
            mapping["config"] = str(path.parent / mapping["config"])
    return from_dict(Study, values)


def row_overrides(study: Study, row: Row, common: Sequence[str], last: Sequence[str]) -> list[str]:
    """Changes of a row in the order in which they apply.

    Args:
        study: Its changes come first.
        row: Its changes win over `common`, or a row could lose what it is about.
        common: Of the caller, for every row.
        last: Of the caller, not to be overridden: scenes, budget.
    """
    return [*study.changes, *common, *row.changes, *last]


def row_config(
    study: Study, row: Row, common: Sequence[str], last: Sequence[str]
) -> tuple[Path, TrainConfig, ModelConfig]:
    """Training config file of a row, and what it comes to.

    Raises:
        ConfigError: naming the row, if a change does not fit.
    """
    path = row.config or study.config
    try:
        config, model = read_config(path, row_overrides(study, row, common, last))
    except ConfigError as error:
        raise ConfigError(f"row {row.name}: {error}") from error
    return path, config, model
