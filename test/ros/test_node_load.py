"""What happens under load: clicks while the network runs, clouds faster than it."""

import time

import numpy as np
from cloud_messages import make_cloud_msg
from user import FRAME, boxes_msg, two_boxes

from clickseg3d_ros.controller import Controller


def big_cloud(second=1):
    """200,000 points: their encoding keeps the network busy for a while."""
    rng = np.random.default_rng(3)
    xyz = rng.uniform((-4, -4, 0), (4, 4, 0.02), (200_000, 3)).astype(np.float32)
    columns = {name: xyz[:, c] for c, name in enumerate("xyz")}
    return make_cloud_msg(columns, frame_id=FRAME, stamp=(second, 0))


def test_a_storm_of_clicks_during_inference_loses_none(user):
    user.send_cloud(boxes_msg())
    user.wait_count("clouds prepared", 1)
    rng = np.random.default_rng(0)
    places = two_boxes()[0].xyz[rng.integers(3000, 6000, 200)]
    for number, place in enumerate(places):
        user.send_click(place, 1 + number % 3)
        user.idle(0.003)
    user.wait_count("clicks accepted", 200)
    instances = user.result({1, 2, 3}, clicks=200)
    assert sorted(i.num_clicks for i in instances.instances) == [66, 67, 67]
    user.idle(0.3)
    results = int(user.status()["results"])
    assert results < 150  # newest wins: not every click had a result of its own


def test_a_click_callback_does_not_wait_for_the_encoding(make_node, make_user, monkeypatch):
    arrived = []
    take_click = Controller.take_click

    def timed(self, request):
        arrived.append(time.monotonic())
        take_click(self, request)

    monkeypatch.setattr(Controller, "take_click", timed)
    make_node()
    user = make_user()
    user.connect()
    user.send_cloud(big_cloud())
    user.wait_count("clouds received", 1)
    sent = time.monotonic()
    user.click((0.0, 0.0, 0.01))
    user.wait(lambda: arrived, "the click to be stored")
    user.result({1})
    answered = time.monotonic()
    assert arrived[0] - sent < 0.5 * (answered - sent)
    assert user.status()["clicks accepted"] == "1"
    assert user.status()["clicks rejected"] == "0"


def test_clouds_faster_than_the_network_are_skipped_not_queued(make_node, make_user):
    make_node()
    user = make_user()
    user.connect()
    for second in range(1, 31):
        user.send_cloud(boxes_msg(stamp=(second, 0)))
        user.idle(0.01)
    user.watch()
    user.wait(lambda: int(user.status()["clouds received"]) >= 25, "the clouds")
    user.idle(1.5)
    prepared = int(user.status()["clouds prepared"])
    assert 1 <= prepared < int(user.status()["clouds received"])
    user.click((-0.2, 0.0, 0.16))
    assert user.result({1}).header.stamp.sec == 30  # the newest
