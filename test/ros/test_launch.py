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
@pytest.mark.parametrize(("namespace", "snap_radius"), [("", None), ("robot", 0.07)])
def test_launch_starts_a_node_that_answers(checkpoint, domain, tmp_path, namespace, snap_radius):
    arguments = [str(LAUNCH_FILE), str(checkpoint), namespace]
    if snap_radius:
        file = tmp_path / "own.yaml"
        file.write_text(f"/**: {{ros__parameters: {{click: {{snap_radius: {snap_radius}}}}}}}")
        arguments.append(str(file))
    script = tmp_path / "run.py"
    script.write_text(_SCRIPT)
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    answer = re.search(r"ANSWER (\{.*\})", result.stdout)
    assert answer, result.stdout + result.stderr
    found = yaml.safe_load(answer[1])
    assert "is not a file" not in result.stdout + result.stderr
    assert found["cloud_subscribers"] == 1
    assert found["parameters"] == [str(checkpoint), "cpu", 0.01, snap_radius or 0.05, True]
    assert found["click_subscribers"] == 1


_SCRIPT = """
import sys, threading, time
import rclpy
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rcl_interfaces.srv import GetParameters

path, checkpoint, namespace, *params_file = sys.argv[1:]
arguments = {
    "cloud_topic": "/camera/points", "click_topic": "/tap", "checkpoint": checkpoint,
    "device": "cpu", "voxel_size": "0.01", "namespace": namespace, "use_sim_time": "true",
}
if params_file:
    arguments["params_file"] = params_file[0]
service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(PythonLaunchDescriptionSource(path),
                             launch_arguments=arguments.items())
]))

def ask():
    rclpy.init()
    node = rclpy.create_node("asker")
    name = f"/{namespace}/clickseg3d".replace("//", "/")
    client = node.create_client(GetParameters, f"{name}/get_parameters")
    try:
        if not client.wait_for_service(60):
            return
        end = time.monotonic() + 60
        while time.monotonic() < end and not node.count_subscribers("/tap/new"):
            time.sleep(0.1)
        names = ["model.checkpoint", "model.device", "model.voxel_size", "click.snap_radius",
                 "use_sim_time"]
        future = client.call_async(GetParameters.Request(names=names))
        rclpy.spin_until_future_complete(node, future, timeout_sec=30)
        v = future.result().values
        print("ANSWER", {
            "cloud_subscribers": node.count_subscribers("/camera/points"),
            "click_subscribers": node.count_subscribers("/tap/background"),
            "parameters": [v[0].string_value, v[1].string_value, v[2].double_value,
                           v[3].double_value, v[4].bool_value],
        }, flush=True)
    finally:
        service.shutdown()

thread = threading.Thread(target=ask)
thread.start()
service.run()
thread.join()
"""
