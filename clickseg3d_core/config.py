"""Strict conversion between nested config dataclasses, mappings and YAML files."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from clickseg3d_core.errors import ConfigError

T = TypeVar("T")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: if the file is missing, is no YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a YAML config: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold `key: value` lines, got {type(content).__name__}")
    return content


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply `a.b=value` overrides to nested mappings; values are parsed as YAML.

    Raises:
        ConfigError: if an override has no `=`, its path leads through a value, or its value is
            no YAML.
    """
    result = {key: dict(v) if isinstance(v, dict) else v for key, v in values.items()}
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"an override is written key=value, got {override!r}")
        *parents, last = path.strip().split(".")
        node = result
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"override {override!r}: {parent!r} is a value, not a section")
        try:
            node[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"override {override!r}: the value is no YAML") from error
    return result


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a config dataclass from a mapping; unknown keys and wrong types are errors.

    Args:
        cls: A dataclass; fields may be dataclasses, tuples, literals, numbers, strings, optionals.
        values: Its fields. Missing fields take their defaults.
        where: Dotted path of the mapping, for error messages.

    Raises:
        ConfigError: naming the key, what was expected and what came.
    """
    name = where or cls.__name__
    if not isinstance(values, Mapping):
        raise ConfigError(f"{name} must be a mapping, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"{name}: unknown key {unknown[0]!r}; known keys: {sorted(fields)}")
    hints = typing.get_type_hints(cls)
    arguments = {
        key: _convert(hints[key], value, f"{where}.{key}" if where else key)
        for key, value in values.items()
    }
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where)
    if origin in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(hint) if a is not type(None)]
        return None if value is None else _convert(options[0], value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            raise ConfigError(f"{where} must be one of {typing.get_args(hint)}, got {value!r}")
        return value
    if origin is tuple:
        return _convert_tuple(hint, value, where)
    return _convert_scalar(hint, value, where)


def _convert_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} must be a list, got {value!r}")
    arguments = typing.get_args(hint)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_convert(arguments[0], item, where) for item in value)
    if len(arguments) != len(value):
        raise ConfigError(f"{where} must have {len(arguments)} values, got {len(value)}")
    return tuple(_convert(a, item, where) for a, item in zip(arguments, value, strict=True))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise ConfigError(f"{where} must be {getattr(hint, '__name__', hint)}, got {value!r}")


def to_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as plain values for JSON or YAML; tuples become lists, paths strings."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return typing.cast(dict[str, Any], plain(dataclasses.asdict(config)))
