#!/usr/bin/env bash
# Runs a command with the venv, the built messages and the source tree: with_ros.sh .venv COMMAND ...
set -eo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="$PWD/$1"
shift
source "$venv/bin/activate"
export AMENT_PREFIX_PATH="$venv"
source build/ros/install/setup.bash
export PYTHONPATH="$PWD:$PYTHONPATH"
exec "$@"
