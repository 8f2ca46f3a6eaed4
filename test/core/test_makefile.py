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
        "TRAIN=--set steps=6", "SIMULATE=--meshes M --unseen-world W.json",
    ]  # fmt: skip
    printed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    calls = [line for line in printed.replace("\\\n", " ").splitlines() if "/clickseg3d " in line]
    words = [shlex.split(_without_substitutions(line)) for line in calls]
    return [line[1:] for line in words]


def _without_substitutions(line: str) -> str:
    start = line.find("$(")
    return line if start < 0 else line[:start] + line[line.index(")", start) + 1 :]


def test_scans_training_and_validation_then_a_run(commands):
    assert [line[0] for line in commands] == ["simulate", "simulate", "train"]
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
