"""Parameters: declared with descriptors, checked, and in step with the files."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from clickseg3d_core.errors import ConfigError
from clickseg3d_ros.parameters import Settings, parameter_name
from clickseg3d_ros.segmenter_node import SegmenterNode

ROOT = Path(__file__).parents[2]
NAMES = {parameter_name(f.name): f for f in fields(Settings)}


def flattened(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def test_the_file_has_every_parameter_with_its_default():
    tree = yaml.safe_load((ROOT / "config" / "segment.yaml").read_text())
    assert flattened(tree["/**"]["ros__parameters"]) == {n: f.default for n, f in NAMES.items()}


def test_the_readme_names_every_parameter():
    text = (ROOT / "README.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_device", "gpu"),
        ("session_mode", ""),
        ("model_up", "y"),  # which YAML takes for true
        ("click_snap_radius", -0.1),
        ("click_snap_radius", float("nan")),
        ("input_max_rate", 0.0),
        ("output_field_name", "x"),
        ("output_field_name", ""),
    ],
)
def test_values_that_make_no_sense_are_refused(field, value):
    with pytest.raises(ConfigError, match=parameter_name(field).replace(".", r"\.")):
        Settings(**{field: value})


def test_every_parameter_is_described(node, make_user):
    user = make_user()
    answer = user.call("describe_parameters", DescribeParameters, names=list(NAMES))
    assert [d.name for d in answer.descriptors] == list(NAMES)
    for descriptor in answer.descriptors:
        field = NAMES[descriptor.name]
        assert descriptor.description == field.metadata["description"]
        assert descriptor.read_only == field.metadata["read_only"]
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        within = field.metadata["within"]
        assert [(r.from_value, r.to_value) for r in ranges] == ([within] if within else [])


@pytest.mark.parametrize(
    ("name", "value", "is_accepted"),
    [
        ("click.snap_radius", 0.2, True),
        ("session.mode", "live", True),
        ("session.mode", "dead", False),
        ("click.snap_radius", -1.0, False),
        ("click.snap_radius", "far", False),
        ("model.device", "cuda", False),
        ("model.voxel_size", 0.01, False),
        ("no.such", 1, False),
    ],
)
def test_setting_at_run_time(node, make_user, name, value, is_accepted):
    user = make_user()
    before = node.parameters.settings
    parameter = Parameter(name, value=value).to_parameter_msg()
    result = user.call("set_parameters", SetParameters, parameters=[parameter]).results[0]
    assert result.successful is is_accepted
    if is_accepted:
        assert getattr(node.parameters.settings, name.replace(".", "_", 1)) == value
    else:
        assert node.parameters.settings == before
        assert result.reason


@pytest.mark.parametrize(
    ("closer", "voxel_size", "asked"), [(False, 0.0, False), (True, 0.0, True), (True, 0.02, False)]
)
def test_the_network_looks_closer_unless_voxels_are_given(
    context, network, closer, voxel_size, asked
):
    given = []
    values = {"autostart": False, "model.closer": closer, "model.voxel_size": voxel_size}
    node = SegmenterNode(
        open_network=lambda *model: given.append(model) or network,
        context=context,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
    )
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    node.destroy_node()
    assert given == [("", "auto", 0, asked)]


def test_a_start_with_a_bad_value_fails(make_node):
    with pytest.raises(Exception, match=r"session\.mode"):
        make_node(session__mode="dead")
