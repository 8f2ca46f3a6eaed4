"""The node as a process of its own: across processes, killed, restarted, ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from user import BLUE, RED, boxes_msg

SCRIPT = Path(__file__).parents[2] / "scripts" / "segmenter_node"
START_S = 240.0  # to import torch takes a minute on a machine with other work


@pytest.fixture
def start(domain, checkpoint, tmp_path):
    running = []

    def launch(**parameters):
        values = {
            "model.checkpoint": str(checkpoint),
            "session.directory": str(tmp_path),
            "diagnostics.period": "0.1",
        } | parameters
        arguments = [part for k, v in values.items() for part in ("-p", f"{k}:={v}")]
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "--ros-args", *arguments],
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield launch
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def with_red_clicked(user):
    user.connect(START_S)
    user.hold(boxes_msg())
    user.click(RED)
    user.result({1})
    return user


def test_a_node_that_is_killed_and_restarted_goes_on(start, make_user):
    first = start()
    user = with_red_clicked(make_user())
    first.kill()
    first.wait()
    user.diagnostics.clear()
    user.wait(lambda: not user.clouds_heard(), "the death to be noticed")
    start()
    user.connect(START_S)
    user.hold(boxes_msg(stamp=(50, 0)))
    user.click(BLUE)
    heard = user.watch()["instances"]
    user.wait(lambda: heard[-1].header.stamp.sec == 50 and heard[-1].instances, "a new result")
    found = heard[-1]
    assert [(i.id, i.num_clicks) for i in found.instances] == [(1, 1)]
    assert found.instances[0].centroid.x == pytest.approx(0.2, abs=0.02)


def network_of(process):
    """Process id of a node's network: the child of whichever of its threads."""
    children = [p.read_text() for p in Path(f"/proc/{process.pid}/task").glob("*/children")]
    return int("".join(children))


def test_clicks_go_on_when_the_network_is_killed(start, make_user):
    process = start()
    user = with_red_clicked(make_user())
    first = network_of(process)
    os.kill(first, signal.SIGKILL)
    user.click(BLUE, "/new")
    user.result({1, 2})
    assert network_of(process) != first


def test_the_network_ends_with_its_node(start, make_user):
    process = start()
    user = make_user()
    user.connect(START_S)
    network = Path(f"/proc/{network_of(process)}")
    process.kill()
    process.wait()
    user.wait(lambda: not (network / "exe").exists(), "the network's process to end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_node_ends_cleanly_when_asked(start, make_user, number):
    process = start()
    with_red_clicked(make_user())
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    assert process.returncode == 0


def test_a_checkpoint_that_is_not_there_ends_the_node_with_a_reason(start, tmp_path):
    process = start(**{"model.checkpoint": str(tmp_path / "nothing")})
    _, errors = process.communicate(timeout=START_S)
    assert process.returncode == 1
    assert "nothing" in errors
    assert "Traceback" not in errors
