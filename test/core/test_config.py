from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from clickseg3d_core.config import apply_overrides, from_dict, load_yaml, to_dict
from clickseg3d_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    rate: float = 0.5
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    name: str
    sizes: tuple[int, ...] = (1,)
    folder: Path | None = None
    inner: Inner = field(default_factory=Inner)


def test_nested_values_convert():
    made = from_dict(Outer, {"name": "x", "sizes": [1, 2], "folder": "a/b", "inner": {"rate": 1}})
    assert made == Outer(name="x", sizes=(1, 2), folder=Path("a/b"), inner=Inner(rate=1.0))
    assert from_dict(Outer, to_dict(made)) == made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "nmae": 1}, "unknown key 'nmae'"),
        ({"name": 3}, "name must be str, got 3"),
        ({"name": "x", "sizes": 3}, "sizes must be a list"),
        ({"name": "x", "sizes": ["a"]}, "sizes must be int"),
        ({"name": "x", "inner": {"mode": "c"}}, r"inner.mode must be one of"),
        ({"name": "x", "inner": {"rate": True}}, "inner.rate must be float"),
        ({"name": "x", "inner": 3}, "inner must be a mapping"),
        ({}, "name"),
    ],
)
def test_wrong_values_raise_config_error(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Outer, values)


def test_overrides_reach_into_sections_and_leave_the_input():
    values = {"name": "x", "inner": {"rate": 0.1}}
    assert apply_overrides(values, ["inner.rate=0.3", "sizes=[4, 5]"]) == {
        "name": "x",
        "inner": {"rate": 0.3},
        "sizes": [4, 5],
    }
    assert values == {"name": "x", "inner": {"rate": 0.1}}


@pytest.mark.parametrize("override", ["inner.rate", "name.rate=3"])
def test_bad_overrides_raise_config_error(override):
    with pytest.raises(ConfigError):
        apply_overrides({"name": "x"}, [override])


def test_files_that_hold_no_mapping_raise_config_error(tmp_path):
    path = tmp_path / "c.yaml"
    for text in ("- 1\n", "a: [\n"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_yaml(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "missing.yaml")
