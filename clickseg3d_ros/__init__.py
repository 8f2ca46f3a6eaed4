"""The ROS 2 node of clickseg3d; messages and services are built from msg/ and srv/."""

import pkgutil

# The source tree and the built messages are one package.
__path__ = pkgutil.extend_path(__path__, __name__)
