import ast
import subprocess
import sys
from pathlib import Path

import pytest

import clickseg3d_core

CORE = Path(clickseg3d_core.__file__).parent
LAYERS = {
    "errors": 0, "types": 0, "classes": 0, "atomic": 0, "config": 0,
    "voxels": 1, "surface": 1, "tint": 1, "edges": 1, "clicks": 1, "sampling": 1, "boxes": 1,
    "upright": 2, "closeup": 4,
    "kept": 1, "settling": 1, "extent": 1, "candidates": 2, "coarser": 2, "session": 1,
    "data": 1, "io": 1, "splat": 1, "model": 2,
    "baseline": 2, "picture": 2, "click_text": 2, "answer": 2, "datasets": 2, "checkpoint": 3,
    "segmenter": 3,
    "browser": 5, "evaluation": 4, "simulation": 4, "training": 5, "report": 5, "demo": 5,
    "ablation": 6, "commands": 6, "cli": 6, "__init__": 6,
}  # fmt: skip
ROS = {"rclpy", "sensor_msgs", "geometry_msgs", "std_msgs", "visualization_msgs", "tf2_ros"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_lower_layers_import_no_higher_ones_and_nobody_imports_ros():
    for path in CORE.rglob("*.py"):
        own = path.relative_to(CORE).parts[0].removesuffix(".py")
        for name in imports(path):
            assert name.split(".")[0] not in ROS, path
            parts = name.split(".")
            if parts[0] == "clickseg3d_core" and len(parts) > 1:
                assert LAYERS[parts[1]] <= LAYERS[own], f"{path} imports {name}"


def test_importing_the_package_does_not_load_torch():
    code = "import sys, clickseg3d_core; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CORE.parent)


def test_every_public_name_exists():
    for name in clickseg3d_core.__all__:
        assert getattr(clickseg3d_core, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = clickseg3d_core.nothing
