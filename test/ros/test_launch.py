"""The launch file, run by real launch_ros where that is installed (it is not on PyPI)."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LAUNCH_FILE = ROOT / "launch" / "segment.launch.py"


@pytest.fixture(scope="module")
def rviz() -> dict:
    return yaml.safe_load((ROOT / "config" / "segment.rviz").read_text())["Visualization Manager"]


def test_rviz_has_three_click_tools_in_order_that_stay_on(rviz):
    tools = [t for t in rviz["Tools"] if t["Class"].endswith("/PublishPoint")]
    topics = ["/clicked_point", "/clicked_point/new", "/clicked_point/background"]
    assert [t["Topic"]["Value"] for t in tools] == topics
    assert [t["Single click"] for t in tools] == [False] * 3


def test_rviz_hears_what_is_latched(rviz):
    latched = [d for d in rviz["Displays"] if "/clickseg3d/" in d.get("Topic", {}).get("Value", "")]
    assert len(latched) == 3
    assert {d["Topic"]["Durability Policy"] for d in latched} == {"Transient Local"}
    assert {d["Topic"]["Reliability Policy"] for d in latched} == {"Reliable"}


def test_rviz_shows_nothing_that_swallows_clicks(rviz):
    grid = next(d for d in rviz["Displays"] if d["Class"].endswith("/Grid"))
    assert not grid["Enabled"]


@pytest.fixture
def has_launch() -> None:
    for name in ("launch", "launch_ros"):
        if importlib.util.find_spec(f"{name}.actions") is None:
            pytest.skip(f"{name} is not installed; it is not on PyPI")


@pytest.mark.usefixtures("has_launch")
def test_the_readme_names_every_launch_argument():
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(LAUNCH_FILE))
    names = {argument.name for argument in description.get_launch_arguments()}
    text = (ROOT / "README.md").read_text()
    assert len(names) == 13
    assert {name for name in names if f"`{name}" not in text and f" {name}:=" not in text} == set()


@pytest.mark.usefixtures("has_launch")
@pytest.mark.parametrize(("namespace", "snap_radius"), [("", None), ("robot", 0.07)])
def test_launch_starts_a_node_that_answers(checkpoint, domain, tmp_path, namespace, snap_radius):
    arguments = {
        "cloud_topic": "/camera/points",
        "click_topic": "/tap",
        "checkpoint": checkpoint,
        "device": "cpu",
        "voxel_size": 0.01,
        "up": "-y",
        "namespace": namespace,
        "use_sim_time": "true",
    }
    if snap_radius:
        file = tmp_path / "own.yaml"
        file.write_text(f"/**: {{ros__parameters: {{click: {{snap_radius: {snap_radius}}}}}}}")
        arguments["params_file"] = file
    said = launch(_ASK, arguments, tmp_path, {"ROS_DOMAIN_ID": str(domain)})
    answer = re.search(r"ANSWER (\{.*\})", said)
    assert answer, said
    found = yaml.safe_load(answer[1])
    assert "is not a file" not in said
    assert found["cloud_subscribers"] == 1
    assert found["parameters"] == [str(checkpoint), "cpu", 0.01, snap_radius or 0.05, True, "-y"]
    assert found["click_subscribers"] == 1


@pytest.fixture
def stand_ins(tmp_path):
    """rviz2 and ros2 as programs that write down how they were called; gives the environment."""
    prefix, told = tmp_path / "prefix", tmp_path / "told"
    told.mkdir()
    marker = prefix / "share" / "ament_index" / "resource_index" / "packages" / "rviz2"
    marker.parent.mkdir(parents=True)
    marker.touch()
    for program in (prefix / "lib" / "rviz2" / "rviz2", prefix / "bin" / "ros2"):
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}/{program.name}\n')
        program.chmod(0o755)
    return told, {
        "AMENT_PREFIX_PATH": f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}",
        "PATH": f"{prefix}/bin:{os.environ['PATH']}",
    }


@pytest.mark.usefixtures("has_launch")
def test_launch_starts_rviz_on_the_topics_of_the_node_and_plays_a_bag(
    checkpoint, domain, tmp_path, stand_ins
):
    told, environment = stand_ins
    arguments = {
        "checkpoint": checkpoint,
        "rviz": "true",
        "bag": "/data/desk",
        "namespace": "robot",
        "click_topic": "/tap",
        "cloud_topic": "/camera/points",
        "fixed_frame": "odom",
    }
    environment["ROS_DOMAIN_ID"] = str(domain)
    said = launch(_WAIT.format(folder=str(told)), arguments, tmp_path, environment)
    assert sorted(p.name for p in told.iterdir()) == ["ros2", "rviz2"], said
    bag = (told / "ros2").read_text().split()
    assert bag == ["bag", "play", "--clock", "100", "/data/desk"]
    rviz = (told / "rviz2").read_text().split()
    assert rviz[0] == "-d"
    assert Path(rviz[1]).name == "segment.rviz"
    assert Path(rviz[1]).is_file()
    assert rviz[2:4] == ["-f", "odom"]
    rules = {rule.split(":=")[0]: rule.split(":=")[1] for rule in rviz if ":=" in rule}
    assert rules["__ns"] == "/robot"
    assert rules["/points"] == "/camera/points"
    assert rules["/clicked_point/background"] == "/tap/background"
    shown = {d["Topic"]["Value"] for d in displays() if "/clickseg3d/" in d["Topic"]["Value"]}
    assert {topic: rules[topic] for topic in shown} == {topic: topic[1:] for topic in shown}


@pytest.mark.usefixtures("has_launch")
def test_launch_starts_neither_rviz_nor_a_bag_unless_asked(checkpoint, domain, tmp_path, stand_ins):
    told, environment = stand_ins
    environment["ROS_DOMAIN_ID"] = str(domain)
    said = launch(_ASK, {"checkpoint": checkpoint}, tmp_path, environment)
    assert "ANSWER" in said
    assert list(told.iterdir()) == []


def displays() -> list[dict]:
    """The displays of segment.rviz that have a topic."""
    manager = yaml.safe_load((ROOT / "config" / "segment.rviz").read_text())
    return [d for d in manager["Visualization Manager"]["Displays"] if "Topic" in d]


def launch(wait: str, arguments: dict, folder: Path, environment: dict[str, str]) -> str:
    """Run the launch file until the function `wait` of a script returns; what was said."""
    script = folder / "run.py"
    given = {name: str(value) for name, value in arguments.items()}
    script.write_text(_SCRIPT.format(path=str(LAUNCH_FILE), arguments=given, wait=wait))
    result = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"ROS_LOG_DIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


_SCRIPT = """
import threading, time
from pathlib import Path
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

arguments = {arguments}
service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(PythonLaunchDescriptionSource({path!r}),
                             launch_arguments=arguments.items())
]))
{wait}
def end():
    try:
        wait()
    finally:
        service.shutdown()

thread = threading.Thread(target=end)
thread.start()
service.run()
thread.join()
"""

_WAIT = """
def wait():
    stop = time.monotonic() + 60
    while time.monotonic() < stop and len(list(Path({folder!r}).iterdir())) < 2:
        time.sleep(0.1)
    time.sleep(0.5)
"""

_ASK = """
import rclpy
from rcl_interfaces.srv import GetParameters

def wait():
    rclpy.init()
    node = rclpy.create_node("asker")
    name = f"/{arguments.get('namespace', '')}/clickseg3d".replace("//", "/")
    taps = arguments.get("click_topic", "/clicked_point")
    client = node.create_client(GetParameters, f"{name}/get_parameters")
    if not client.wait_for_service(100):
        return
    stop = time.monotonic() + 100
    while time.monotonic() < stop and not node.count_subscribers(f"{taps}/new"):
        time.sleep(0.1)
    names = ["model.checkpoint", "model.device", "model.voxel_size", "click.snap_radius",
             "use_sim_time", "model.up"]
    future = client.call_async(GetParameters.Request(names=names))
    rclpy.spin_until_future_complete(node, future, timeout_sec=30)
    v = future.result().values
    print("ANSWER", {
        "cloud_subscribers": node.count_subscribers("/camera/points"),
        "click_subscribers": node.count_subscribers(f"{taps}/background"),
        "parameters": [v[0].string_value, v[1].string_value, v[2].double_value,
                       v[3].double_value, v[4].bool_value, v[5].string_value],
    }, flush=True)
"""
