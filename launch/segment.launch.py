"""Starts the node, RViz if wanted, and a bag beside it if one is given.

ros2 launch clickseg3d_ros segment.launch.py cloud_topic:=/camera/depth/color/points rviz:=true
"""

from collections.abc import Callable
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile

CONFIG = Path(get_package_share_directory("clickseg3d_ros")) / "config"
BOOLEANS = ["true", "false"]
SHOWN = ("segmented/points", "markers")


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    arguments = [
        DeclareLaunchArgument("cloud_topic", default_value="points", description="Input cloud."),
        DeclareLaunchArgument(
            "click_topic",
            default_value="/clicked_point",
            description="Clicks; /new and /background are appended for the other two tools.",
        ),
        DeclareLaunchArgument(
            "checkpoint", default_value="", description="Folder; empty: as in params_file."
        ),
        DeclareLaunchArgument(
            "device",
            default_value="",
            choices=["", "auto", "cpu", "cuda"],
            description="Where the network runs; empty: as in params_file.",
        ),
        DeclareLaunchArgument(
            "voxel_size", default_value="", description="Metres; empty: as in params_file."
        ),
        DeclareLaunchArgument(
            "up",
            default_value="",
            choices=["", "auto", "+x", "+y", "+z", "-x", "-y", "-z"],
            description="Axis of the cloud's frame that points up; empty: as in params_file.",
        ),
        DeclareLaunchArgument(
            "params_file", default_value=str(CONFIG / "segment.yaml"), description="Parameters."
        ),
        DeclareLaunchArgument("namespace", default_value="", description="Of the node."),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=BOOLEANS,
            description="Time from /clock, for simulators and bags.",
        ),
        DeclareLaunchArgument(
            "rviz", default_value="false", choices=BOOLEANS, description="Start RViz, too."
        ),
        DeclareLaunchArgument(
            "rviz_config", default_value=str(CONFIG / "segment.rviz"), description="RViz file."
        ),
        DeclareLaunchArgument(
            "fixed_frame",
            default_value="",
            description="RViz's fixed frame; empty: as in rviz_config.",
        ),
        DeclareLaunchArgument(
            "bag", default_value="", description="Bag to play, with /clock; empty: none."
        ),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Node | ExecuteProcess]:
    """The actions, once the arguments are known."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    bag = value("bag")
    # A bag that is played carries its own time.
    clock = {"use_sim_time": value("use_sim_time") == "true" or bool(bag)}
    tapped = value("click_topic").rstrip("/")
    clicks = [(f"/clicked_point{kind}", tapped + kind) for kind in ("", "/new", "/background")]
    frame = ["-f", value("fixed_frame")] if value("fixed_frame") else []
    segmenter = Node(
        package="clickseg3d_ros",
        executable="segmenter_node",
        name="clickseg3d",
        namespace=value("namespace"),
        # The file first, so that the arguments of the launch win.
        parameters=[ParameterFile(value("params_file")), clock | overrides(value)],
        remappings=[("points", value("cloud_topic")), *clicks],
        output="screen",
        on_exit=Shutdown(reason="the segmenter ended"),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=value("namespace"),
        arguments=["-d", value("rviz_config"), *frame],
        parameters=[clock],
        # The topics of segment.rviz, moved to where this node has them.
        remappings=[
            ("/points", value("cloud_topic")),
            *clicks,
            *((f"/clickseg3d/{name}", f"clickseg3d/{name}") for name in SHOWN),
        ],
        condition=IfCondition(value("rviz")),
    )
    player = [ExecuteProcess(cmd=["ros2", "bag", "play", "--clock", "100", bag])] if bag else []
    return [segmenter, rviz, *player]


def overrides(value: Callable[[str], str]) -> dict[str, str | float]:
    """Parameters that were given as launch arguments."""
    given: dict[str, str | float] = {}
    if value("checkpoint"):
        given["model.checkpoint"] = value("checkpoint")
    if value("device"):
        given["model.device"] = value("device")
    if value("up"):
        given["model.up"] = value("up")
    if value("voxel_size"):
        given["model.voxel_size"] = float(value("voxel_size"))
    return given
