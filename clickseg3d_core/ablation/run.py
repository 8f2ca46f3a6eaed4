"""Trains and measures the rows of a study, one after the other; goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickseg3d_core.ablation.measure import MeasureConfig, choose_episodes, is_measured, measure
from clickseg3d_core.ablation.study import RUN, Row, Study, row_config, row_overrides
from clickseg3d_core.ablation.table import write_tables
from clickseg3d_core.atomic import replacing
from clickseg3d_core.checkpoint import CONFIG_FILE, read_record
from clickseg3d_core.config import to_dict
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.training.loop import train
from clickseg3d_core.training.run import STATE_FILE

ROWS = "rows"
_PLAN = "plan.json"

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What all rows of a study share.

    Attributes:
        data: Folder of training scenes.
        validation: Folder of scenes to measure on. No row sees them before: nothing is chosen on
            them, the cut to the background neither.
        steps: Optimizer steps; None leaves those of the training config.
        changes: `key=value` changes for every row; a row's own win.
        measure: What is measured.
    """

    data: Path
    validation: Path
    steps: int | None = None
    changes: tuple[str, ...] = ()
    measure: MeasureConfig = field(default_factory=MeasureConfig)

    @property
    def fixed(self) -> list[str]:
        """Changes that no row may undo."""
        last = [f"scenes={self.data}", "validation=null", "validate_every=0"]
        return last if self.steps is None else [*last, f"steps={self.steps}"]


def run_study(
    study: Study,
    budget: Budget,
    output: Path,
    *,
    names: Sequence[str] | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> list[Path]:
    """Train and measure rows, and write the table of all rows that the folder has by then.

    A finished row is kept. A stopped one goes on: its training from the last state, its
    measurement from the last scene. Other machines may work on other rows of the same folder.

    Args:
        study: The rows.
        budget: What they share.
        output: Folder; made if missing.
        names: Rows to run; None for all.
        workers: Processes that measure.
        report: Told about progress.

    Returns:
        The files of the table.

    Raises:
        ConfigError: if a value does not fit, or the folder holds a study or row with other values.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("a study runs in one process; give each process other --rows instead")
    rows = study.rows if names is None else study.only(names)
    for row in rows:  # a mistake in the last row is found before the first is trained
        row_config(study, study.source(row), budget.changes, budget.fixed)
    _keep_to_plan(output / _PLAN, _plan(budget))
    sets = choose_episodes(budget.validation, budget.measure)
    for number, row in enumerate(rows, start=1):
        title = f"{number}/{len(rows)} {row.label}"
        folder = output / ROWS / row.name
        checkpoint, is_new = _trained(study, study.source(row), budget, output, title, report)
        if is_new or not is_measured(folder):
            measure(
                checkpoint,
                sets,
                budget.measure,
                folder,
                about={
                    "label": row.label,
                    "trained_on": budget.data.name,
                    "domain": "unstated",
                    "settings": row.numbers,
                },
                workers=workers,
                progress=None if report is None else _told(report, f"{title}: measuring"),
            )
        files = write_tables(study, output / ROWS, output, budget.measure.objects)
    return files


def _trained(
    study: Study, row: Row, budget: Budget, output: Path, title: str, report: Report | None
) -> tuple[Path, bool]:
    """Checkpoint of a row, which is trained if it is not yet, and whether that was now."""
    path, config, model = row_config(study, row, budget.changes, budget.fixed)
    folder = output / ROWS / row.name
    training = {key: value for key, value in to_dict(config).items() if key != "output"}
    _keep_to_plan(folder / _PLAN, {"training": training, "model": to_dict(model)})
    run = folder / RUN
    checkpoint = run / "checkpoint"
    if _steps_of(checkpoint) == config.steps:
        return checkpoint, False
    told = None if report is None else _told(report, f"{title}: training")
    train(
        path,
        row_overrides(study, row, budget.changes, budget.fixed),
        run,
        resume=(run / STATE_FILE).exists(),
        progress=None if told is None else (lambda step, steps, _: told(step, steps)),
    )
    return checkpoint, True


def _steps_of(checkpoint: Path) -> object:
    """Steps that a checkpoint was trained for, None if there is none."""
    if not (checkpoint / CONFIG_FILE).exists():
        return None
    return read_record(checkpoint)["training"].get("step")


def _told(report: Report, what: str) -> Callable[[int, int], None]:
    return lambda done, total: report(what, done, total)


def _plan(budget: Budget) -> dict[str, Any]:
    plan = to_dict(budget)
    return plan | {name: str(Path(plan[name]).resolve()) for name in ("data", "validation")}


def _keep_to_plan(path: Path, plan: Mapping[str, Any]) -> None:
    """Write down what is to be done, or see that it is what the folder was begun with."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); choose another --output") from error
    if before != plan:
        raise ConfigError(
            f"{path.parent} was begun with other values: {_difference(plan, before)}; choose "
            "another --output, or delete that folder"
        )


def _difference(now: Mapping[str, Any], before: Any, where: str = "") -> str:
    """The first value that differs, by its dotted name."""
    for name in now:
        old = before.get(name) if isinstance(before, dict) else None
        if now[name] != old:
            if isinstance(now[name], dict):
                return _difference(now[name], old, f"{where}{name}.")
            return f"{where}{name} is {now[name]!r} now and was {old!r}"
    return f"{where or 'it'} has values that are gone now"
