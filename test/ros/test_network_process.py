"""The network in its own process: answers as the core does, and outlives its own death."""

import os
import signal
import threading
from collections.abc import Callable

import numpy as np
import pytest
from user import RED, two_boxes

from clickseg3d_core import (
    CheckpointError,
    ClickError,
    Clicks,
    ClickSegmenter,
    CloudError,
    PointCloud,
)
from clickseg3d_core.closeup import CloseUp
from clickseg3d_ros import network_server
from clickseg3d_ros.network_process import NetworkLostError, NetworkProcess
from clickseg3d_ros.wire import Bug

CLOUD = two_boxes()[0]
CLICKS = Clicks(np.array([RED]), np.array([1]))


@pytest.fixture(scope="module")
def own(checkpoint):
    network = NetworkProcess(str(checkpoint), "cpu", 1)
    yield network
    network.close()


def lost_during_encode(network: NetworkProcess, end: Callable[[], None]) -> str:
    """What is said when the process is ended while it works, again and again."""
    heard: list[str] = []

    def encode() -> None:
        try:
            network.encode(CLOUD)
        except NetworkLostError as error:
            heard.append(str(error))

    os.kill(network._process.pid, signal.SIGSTOP)  # so that it surely is at it
    thread = threading.Thread(target=encode)
    thread.start()
    while thread.is_alive():
        end()
        thread.join(0.1)
    return heard[0]


def test_answers_are_those_of_the_core(own, checkpoint):
    inside = ClickSegmenter.load(checkpoint, "cpu")
    encoding, remote = inside.encode(CLOUD, 0.02), own.encode(CLOUD, 0.02)
    expected, result = inside.segment(encoding, CLICKS), own.segment(remote, CLICKS)
    assert remote.voxel_size == encoding.voxel_size
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_array_equal(result.probabilities, expected.probabilities)
    assert [i.id for i in result.instances] == [1]
    np.testing.assert_array_equal(result.instances[0].centroid, expected.instances[0].centroid)
    assert own.info == inside.info()


def test_up_arrives(own, checkpoint):
    """A floor that is said to be a wall gets boxes that stand on it sideways."""
    lying = own.segment(own.encode(CLOUD, 0.02, (1.0, 0.0, 0.0)), CLICKS)
    np.testing.assert_allclose(lying.instances[0].box.rotation[:, 2], (1.0, 0.0, 0.0), atol=1e-9)
    found = own.segment(own.encode(CLOUD, 0.02), CLICKS)
    np.testing.assert_allclose(found.instances[0].box.rotation[:, 2], (0.0, 0.0, 1.0), atol=1e-9)


def test_the_process_can_look_closer():
    """With the shipped weights: what an untrained network answers is not small."""
    rng = np.random.default_rng(0)
    dense = np.repeat(CLOUD.xyz, 4, axis=0) + rng.normal(0, 0.002, (4 * len(CLOUD), 3))
    floor = rng.uniform((-4, -4, 0), (4, 4, 0), (40_000, 3))
    cloud = PointCloud(np.concatenate([dense, floor[(np.abs(floor[:, :2]) > 0.5).any(axis=1)]]))
    network = NetworkProcess("", "cpu", 1, closer=True)
    try:
        result = network.segment(network.encode(cloud, 0.08), CLICKS)
    finally:
        network.close()
    labels = [
        inside.segment(inside.encode(cloud, 0.08), CLICKS).labels
        for inside in (CloseUp.load(device="cpu"), ClickSegmenter.load(device="cpu"))
    ]
    np.testing.assert_array_equal(result.labels, labels[0])
    assert (result.labels != labels[1]).any()


def test_clouds_of_every_kind_arrive(own):
    plain = PointCloud(CLOUD.xyz, None)
    turned = PointCloud(np.asfortranarray(CLOUD.xyz), CLOUD.rgb[::1], CLOUD.xyz)
    for cloud in (plain, turned, PointCloud(np.ones((1, 3)))):
        result = own.segment(own.encode(cloud), Clicks(cloud.xyz[:1], np.array([3])))
        assert len(result.labels) == len(cloud)
        assert result.labels[0] == 3


def test_errors_are_those_of_the_core(own):
    with pytest.raises(CloudError, match="voxel_size"):
        own.encode(CLOUD, -1.0)
    encoding = own.encode(CLOUD)
    with pytest.raises(ClickError, match="nearest point"):
        own.segment(encoding, Clicks(np.array([[99.0, 0.0, 0.0]]), np.array([1])))
    assert own.segment(encoding, CLICKS).instances  # and it goes on


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="nothing"):
        NetworkProcess(str(tmp_path / "nothing"), "cpu")


def test_encodings_that_nobody_holds_are_freed(own):
    encoding = own.encode(CLOUD)
    key = encoding.key
    own._ask("segment", key, CLICKS)
    del encoding
    own.tidy()
    with pytest.raises(RuntimeError, match="KeyError"):  # a bug is told with its traceback
        own._ask("segment", key, CLICKS)


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_process_that_died_is_started_again_and_asked_again(own, is_noticed):
    encoding = own.encode(CLOUD)
    before = own.segment(encoding, CLICKS)
    own._process.kill()
    if is_noticed:
        own._process.wait()
    np.testing.assert_array_equal(own.segment(encoding, CLICKS).labels, before.labels)


def test_a_process_that_dies_at_work_again_and_again_is_told(own):
    encoding = own.encode(CLOUD)
    said = lost_during_encode(own, lambda: own._process.kill())
    assert "SIGKILL, as when memory runs out" in said
    assert own.segment(encoding, CLICKS).instances  # and it goes on


def test_a_killed_network_answers_nobody_and_leaves_no_process(checkpoint):
    network = NetworkProcess(str(checkpoint), "cpu", 1)
    process = network._process
    assert lost_during_encode(network, network.kill)
    with pytest.raises(NetworkLostError, match="ended"):
        network.encode(CLOUD)
    network.close()
    assert process.returncode == -signal.SIGKILL


def test_want_of_memory_is_the_fault_of_the_cloud():
    class Full:
        def encode(self) -> None:
            raise MemoryError

    answer = network_server._answer(Full(), "encode", ())
    assert isinstance(answer, CloudError)
    assert "memory" in str(answer)
    assert isinstance(network_server._answer(Full(), "segment", ()), Bug)
