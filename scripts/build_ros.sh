#!/usr/bin/env bash
# Builds the ROS package over the ROS 2 wheels of a venv; on a machine with ROS, `colcon build` is all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="$PWD/${1:-.venv}"
python="$venv/bin/python"

# The wheels name include folders of the machine that built them.
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
numpy=$("$python" -c 'import numpy; print(numpy.get_include())')
find "$venv/share" -path '*/cmake/*.cmake' -print0 | xargs -0 grep -lZ /opt/python/ | xargs -0 -r \
  sed -i -E "s#/opt/python/[^/;\"]+/include/python[0-9.]+#$include#g
             s#/opt/python/[^/;\"]+/lib/python[0-9.]+/site-packages/numpy/_core/include#$numpy#g"

export PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" MAKEFLAGS=-j1
# The root only: colcon would look for packages in the venv and in bags of test data, too.
colcon --log-base build/ros/log build --executor sequential --paths . --packages-select clickseg3d_ros \
  --build-base build/ros/build --install-base build/ros/install \
  --event-handlers console_direct- --cmake-args -DPython3_EXECUTABLE="$python" -DBUILD_TESTING=OFF
