#!/usr/bin/env bash
# Builds the ROS package over the ROS 2 wheels of a venv; on a machine with ROS, `colcon build` is all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="$PWD/${1:-.venv}"
python="$venv/bin/python"

# The wheels name include folders of the machine that built them.
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
numpy=$("$python" -c 'import numpy; print(numpy.get_include())')
find "$venv/share" -path '*/cmake/*.cmake' -exec grep -qs /opt/python/ {} \; -print0 | xargs -0 -r \
  sed -i -E "s#/opt/python/[^/;\"]+/include/python[0-9.]+#$include#g
             s#/opt/python/[^/;\"]+/lib/python[0-9.]+/site-packages/numpy/_core/include#$numpy#g"

export PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" MAKEFLAGS=-j1
# A copy elsewhere: CMake refuses exported include folders below the source folder, and numpy in
# the venv has one.
source=build/ros/src/clickseg3d_ros
rm -rf "$source"
mkdir -p "$source"
cp -Rp package.xml CMakeLists.txt msg srv launch config scripts clickseg3d_ros clickseg3d_core "$source"

colcon --log-base build/ros/log build --executor sequential --paths "$source" \
  --build-base build/ros/build --install-base build/ros/install \
  --event-handlers console_direct- --cmake-args -DPython3_EXECUTABLE="$python" -DBUILD_TESTING=OFF
