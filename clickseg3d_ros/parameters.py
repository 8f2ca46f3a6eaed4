"""The node's parameters: one dataclass, declared by a loop with descriptors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.parameter import Parameter

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.types import Up
from clickseg3d_core.upright import AXES

Range = tuple[float, float] | tuple[int, int]


def _parameter(
    default: Any,
    description: str,
    *,
    within: Range | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    metadata = {
        "description": description,
        "within": within,
        "choices": choices,
        "read_only": read_only,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Values of all parameters. The parameter of `click_snap_radius` is `click.snap_radius`.

    Raises:
        ConfigError: if a value is not one of the choices or out of range.
    """

    autostart: bool = _parameter(
        True,
        "Configure and activate at start; false waits for a lifecycle manager.",
        read_only=True,
    )
    model_checkpoint: str = _parameter(
        "", "Checkpoint folder; empty for the weights in the package.", read_only=True
    )
    model_device: str = _parameter(
        "auto", "Where the network runs.", choices=("auto", "cpu", "cuda"), read_only=True
    )
    model_voxel_size: float = _parameter(
        0.0, "Voxel side [m]; 0 chooses it from each cloud.", within=(0.0, 10.0), read_only=True
    )
    model_up: str = _parameter(
        "auto",
        "Axis of the cloud's frame that points up; auto: z, unless floors and tables say "
        "otherwise, as in a camera's frame.",
        choices=("auto", *AXES),
        read_only=True,
    )
    model_closer: bool = _parameter(
        False,
        "Answer what is small in a dense cloud again in finer voxels; the first answer in a place "
        "then takes as long as an encoding. Without effect if model.voxel_size is set.",
        read_only=True,
    )
    model_threads: int = _parameter(
        0, "CPU threads of the network; 0 leaves torch's default.", within=(0, 256), read_only=True
    )
    input_reliability: str = _parameter(
        "auto",
        "QoS of the cloud subscription; auto begins reliable and goes to best effort when the "
        "publisher offers no more.",
        choices=("auto", "reliable", "best_effort"),
        read_only=True,
    )
    input_max_rate: float = _parameter(
        2.0, "Clouds prepared per second at most; the newest wins [Hz].", within=(0.01, 1000.0)
    )
    input_max_points: int = _parameter(
        5_000_000, "Clouds with more points are rejected.", within=(1, 2_000_000_000)
    )
    click_snap_radius: float = _parameter(
        0.05,
        "Clicks go to the nearest point within this distance, else are rejected [m].",
        within=(0.0, 100.0),
    )
    click_policy: str = _parameter(
        "active",
        "active: /clicked_point marks the active object; owner: a click inside an object marks "
        "that one.",
        choices=("active", "owner"),
    )
    click_max_instances: int = _parameter(
        64, "Clicks that would make more objects are rejected.", within=(1, 100_000)
    )
    session_mode: str = _parameter(
        "hold",
        "hold: the first click freezes the cloud until ~/reset; live: clicked objects are "
        "followed from cloud to cloud.",
        choices=("hold", "live"),
    )
    session_precompute: bool = _parameter(
        True, "Encode each held cloud at once, so that the first click costs the decoder only."
    )
    session_directory: str = _parameter(
        "~/.ros/clickseg3d", "Folder that ~/save_session writes to."
    )
    track_max_step: float = _parameter(
        0.3,
        "Live mode: an object that moves farther between two clouds is lost [m].",
        within=(0.0, 100.0),
    )
    tf_timeout: float = _parameter(
        0.5,
        "How long a click waits for the transform at the cloud's stamp [s].",
        within=(0.0, 60.0),
    )
    tf_fixed_frame: str = _parameter(
        "", "Live mode: frame in which things rest while the sensor moves; empty: sensor rests."
    )
    tf_up_frame: str = _parameter(
        "", "Frame whose z axis points up, as odom; empty: model.up says."
    )
    output_field_name: str = _parameter(
        "instance", "Name of the id field in ~/segmented/points.", read_only=True
    )
    output_instance_clouds: bool = _parameter(False, "Put each object's points into ~/instances.")
    output_click_diameter: float = _parameter(
        0.01, "Diameter of the click spheres in ~/markers [m].", within=(0.001, 10.0)
    )
    diagnostics_period: float = _parameter(
        1.0, "Time between messages on /diagnostics [s].", within=(0.1, 60.0), read_only=True
    )
    diagnostics_max_result_ms: float = _parameter(
        5000.0, "/diagnostics warns when a click takes longer [ms].", within=(0.0, 1e9)
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))

    @property
    def up(self) -> Up:
        """`model_up` as a direction, None to find it."""
        return AXES.get(self.model_up)


def parameter_name(field_name: str) -> str:
    """ROS name of a field: the first underscore becomes the dot of its group."""
    group, _, rest = field_name.partition("_")
    return f"{group}.{rest}" if rest else group


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    name = parameter_name(field.name)
    choices, within = field.metadata["choices"], field.metadata["within"]
    if choices and value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    # Written so that NaN fails.
    if within is not None and not within[0] <= value <= within[1]:
        raise ConfigError(f"{name} must be in {within[0]} .. {within[1]}, got {value!r}")
    if name == "output.field_name" and (
        not value or value in ("x", "y", "z", "probability", "rgb")
    ):
        raise ConfigError(f"{name} must be a name that no other field has, got {value!r}")


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=field.metadata["description"], read_only=field.metadata["read_only"]
    )
    if field.metadata["choices"]:
        descriptor.additional_constraints = "one of " + ", ".join(field.metadata["choices"])
    if (within := field.metadata["within"]) is not None:
        if isinstance(within[0], int):
            descriptor.integer_range = [IntegerRange(from_value=within[0], to_value=within[1])]
        else:
            ends = FloatingPointRange(from_value=within[0], to_value=within[1])
            descriptor.floating_point_range = [ends]
    return descriptor


class NodeParameters:
    """Declares the parameters on a node and keeps `settings` equal to them.

    Args:
        node: An rclpy node.

    Raises:
        ConfigError: if an override is not valid.
    """

    def __init__(self, node: Any) -> None:
        values = {}
        for field in dataclasses.fields(Settings):
            name = parameter_name(field.name)
            parameter = node.declare_parameter(name, field.default, _descriptor(field))
            values[field.name] = parameter.value
        self.settings = Settings(**values)
        # Without it (Humble) a set of parameters is taken as soon as it is found to be valid.
        self._has_post = hasattr(node, "add_post_set_parameters_callback")
        if self._has_post:
            node.add_post_set_parameters_callback(self._accept)
        node.add_on_set_parameters_callback(self._validate)

    def _validate(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        try:
            changed = self._changed(parameters)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not self._has_post:
            self.settings = changed
        return SetParametersResult(successful=True)

    def _accept(self, parameters: Sequence[Parameter[Any]]) -> None:
        self.settings = self._changed(parameters)

    def _changed(self, parameters: Sequence[Parameter[Any]]) -> Settings:
        names = {parameter_name(f.name): f.name for f in dataclasses.fields(Settings)}
        ours = {names[p.name]: p.value for p in parameters if p.name in names}
        return dataclasses.replace(self.settings, **ours)
