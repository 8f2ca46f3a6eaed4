"""`make weights` calls commands that exist, with options that they have."""

import itertools
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from clickseg3d_core.cli import app
from clickseg3d_core.training.loop import read_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def commands() -> list[list[str]]:
    """Arguments of the calls of clickseg3d that `make weights` would make."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    asked = [
        "make", "-n", "weights", "WEIGHTS=out/w", "SCENES=7",
        "TRAIN=--set steps=6", "COARSE=--set steps=4", "SIMULATE=--meshes M --unseen-world W.json",
    ]  # fmt: skip
    printed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    calls = [line for line in printed.replace("\\\n", " ").splitlines() if "/clickseg3d " in line]
    words = [shlex.split(_without_substitutions(line)) for line in calls]
    return [line[1:] for line in words]


def _without_substitutions(line: str) -> str:
    start = line.find("$(")
    return line if start < 0 else line[:start] + line[line.index(")", start) + 1 :]


def test_scans_training_and_validation_then_two_runs(commands):
    names = ["simulate", "simulate", "train", "train", "mix", "mix"]
    assert [line[0] for line in commands] == names
    assert commands[0][1] == "out/w/train"
    assert commands[1][1] == "out/w/validation"


def test_every_option_exists(commands):
    command = get_command(app)
    for name, *arguments in commands:
        context = command.commands[name].make_context(name, arguments)
        assert not context.args
    simulate = command.commands["simulate"].make_context("simulate", commands[0][1:])
    assert simulate.params["scenes"] == 7
    assert str(simulate.params["meshes"]) == "M"


def test_the_training_reads_the_scans_that_were_made(commands):
    arguments = commands[2]
    changes = [a for flag, a in itertools.pairwise(arguments) if flag == "--set"]
    config, _ = read_config(ROOT / arguments[1], changes)
    assert config.steps == 6
    assert config.scenes == ROOT / "out/w/train"
    assert config.validation == ROOT / "out/w/validation"
    assert config.judge.scenes > 0


def test_the_second_run_starts_from_the_first_and_goes_beside_it(commands):
    arguments, mixed, last = commands[3:]
    changes = [a for flag, a in itertools.pairwise(arguments) if flag == "--set"]
    config, _ = read_config(ROOT / arguments[1], changes)
    assert config.start_from == ROOT / "out/w/run/checkpoint"
    assert config.scenes == ROOT / "out/w/train"
    assert config.steps == 4
    assert config.judge.scenes == 0  # judged are means of both, by the judge of the first run
    assert config.voxel_range[0] > 1.0
    assert mixed[1:3] == ["out/w/run/checkpoint", "out/w/coarse/checkpoint"]
    assert last[last.index("--coarse") + 1] == mixed[mixed.index("-o") + 1]
    assert last[last.index("-o") + 1] == "out/w/small"
