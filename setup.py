"""Installs the core; the ROS package is built by colcon from CMakeLists.txt."""

from setuptools import find_packages, setup

TRAIN = ["trimesh", "embreex; platform_machine == 'x86_64'", "lightning-fabric"]
# One spconv per Python version: cu120 has no wheels from 3.12 on, cu121 none from 3.13 on.
CUDA = [
    "spconv-cu120; sys_platform == 'linux' and python_version < '3.12'",
    "spconv-cu121; sys_platform == 'linux' and python_version == '3.12'",
    "spconv-cu126; sys_platform == 'linux' and python_version >= '3.13'",
]

setup(
    name="clickseg3d",
    version="0.1.0",
    description="Interactive 3D segmentation and classification of point clouds from clicks",
    license="Apache-2.0",
    packages=find_packages(include=["clickseg3d_core", "clickseg3d_core.*"]),
    package_data={
        "clickseg3d_core": ["py.typed", "weights/**/*", "demo/*.npz", "report/*.yaml"],
    },
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.4",
        "numpy",
        "scipy",
        "safetensors",
        "plyfile",
        "laspy[lazrs]>=2.4",
        "pypcd4",
        "typer",
        "rich",
        "PyYAML",
        "pillow>=10.1",
    ],
    extras_require={
        "train": TRAIN,
        "cuda": CUDA,
        "open3d": ["open3d"],
        "browser": ["viser>=1.1"],
        "report": ["matplotlib"],
        "dev": [
            *TRAIN,
            "matplotlib",
            "viser>=1.1",
            "pytest",
            "ruff",
            "mypy",
            "scipy-stubs",
            "types-PyYAML",
        ],
    },
    entry_points={"console_scripts": ["clickseg3d=clickseg3d_core.cli:main"]},
)
