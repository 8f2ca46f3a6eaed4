"""A context with a domain of its own for every test, and nodes that run in it."""

import fcntl
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import pytest
import rclpy
import torch
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from user import User

from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.config import from_dict, load_yaml
from clickseg3d_core.model.network import ClickSegmentationNet, ModelConfig
from clickseg3d_core.types import Clicks, Segmentation
from clickseg3d_ros.network_process import NetworkProcess, RemoteEncoding
from clickseg3d_ros.segmenter_node import SegmenterNode

torch.set_num_threads(1)
MakeNode = Callable[..., SegmenterNode]
MakeUser = Callable[..., User]
# Above 101 the ports of a domain meet those that the system gives to others.
_domains = itertools.cycle(range(1, 102))
for _ in range(os.getpid() % 101):
    next(_domains)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained tiny network: it cuts objects out by surface path cost alone."""
    config = Path(__file__).parents[2] / "config" / "model" / "tiny.yaml"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ClickSegmentationNet(from_dict(ModelConfig, load_yaml(config))).eval()
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(net, folder, training={})
    return folder


class SharedNetwork(NetworkProcess):
    """One process for the nodes of all tests, for to start one takes seconds."""

    def __init__(self, *model: Any) -> None:
        self._one_at_a_time = threading.RLock()
        super().__init__(*model)

    def encode(self, *asked: Any) -> RemoteEncoding:
        with self._one_at_a_time:
            return super().encode(*asked)

    def segment(self, encoding: RemoteEncoding, clicks: Clicks) -> Segmentation:
        with self._one_at_a_time:
            return super().segment(encoding, clicks)

    def tidy(self) -> None:
        with self._one_at_a_time:
            super().tidy()

    def kill(self) -> None:
        """Nodes come and go."""

    def close(self) -> None:
        """Nodes come and go."""

    def end(self) -> None:
        super().kill()
        super().close()


@pytest.fixture(scope="session")
def network(checkpoint: Path) -> Iterator[SharedNetwork]:
    network = SharedNetwork(str(checkpoint), "auto")
    yield network
    network.end()


@pytest.fixture
def domain() -> Iterator[int]:
    """A DDS domain that no other test uses at the same time, in whatever process that runs."""
    for number in _domains:
        path = Path(tempfile.gettempdir()) / f"clickseg3d_test_domain_{number}.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return


@pytest.fixture
def context(domain: int) -> Iterator[rclpy.Context]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    yield context
    rclpy.try_shutdown(context=context)


class Running:
    """A node that spins in a thread of its own, as `main` does it.

    Attributes:
        crash: The exception that ended the executor, if one did.
    """

    def __init__(self, node: Any, context: rclpy.Context) -> None:
        self.node = node
        self.crash: BaseException | None = None
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except BaseException as error:
            self.crash = error

    def stop(self) -> None:
        """End the thread, then the node."""
        self._executor.shutdown()
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()
        self.node.destroy_node()


@pytest.fixture
def run(context: rclpy.Context) -> Iterator[Callable[[Any], Running]]:
    """Spin a node until the test ends; a crash of it fails the test."""
    running: list[Running] = []

    def start(node: Any) -> Running:
        running.append(Running(node, context))
        return running[-1]

    yield start
    for item in reversed(running):
        item.stop()
    assert [item.crash for item in running if item.crash] == []


@pytest.fixture
def make_node(
    context: rclpy.Context, network: SharedNetwork, tmp_path: Path, run: Callable[[Any], Running]
) -> MakeNode:
    """Make, activate and spin a node: parameters by name, a dot written as two underscores."""

    def make(namespace: str = "", remap: tuple[str, ...] = (), **parameters: Any) -> SegmenterNode:
        values = {
            "session__directory": str(tmp_path / "sessions"),
            "diagnostics__period": 0.1,
            "input__max_rate": 100.0,
        } | parameters
        overrides = [
            Parameter(name.replace("__", "."), value=value) for name, value in values.items()
        ]
        node = SegmenterNode(
            open_network=lambda *model: network,
            context=context,
            namespace=namespace,
            parameter_overrides=overrides,
            cli_args=["--ros-args", *(part for rule in remap for part in ("-r", rule))],
        )
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        run(node)
        return node

    return make


@pytest.fixture
def node(make_node: MakeNode) -> SegmenterNode:
    return make_node()


@pytest.fixture
def make_user(context: rclpy.Context) -> Iterator[MakeUser]:
    users: list[User] = []

    def make(**arguments: Any) -> User:
        users.append(User(context, **arguments))
        return users[-1]

    yield make
    for user in users:
        user.close()


@pytest.fixture
def user(node: SegmenterNode, make_user: MakeUser) -> User:
    """A user of a node with default parameters, connected."""
    user = make_user()
    user.connect()
    return user


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests ran against real ROS, and how many could not."""

    def count(outcome: str) -> int:
        reports = terminalreporter.stats.get(outcome, [])
        return sum(report.nodeid.startswith("test/ros/") for report in reports)

    terminalreporter.write_line(
        f"ROS tests with real rclpy: {count('passed')} passed, {count('skipped')} skipped, "
        f"{count('failed') + count('error')} failed"
    )
