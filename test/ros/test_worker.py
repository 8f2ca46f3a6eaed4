"""The thread between callbacks and the network."""

import threading
import time

import pytest

from clickseg3d_ros.worker import Worker


@pytest.fixture
def crashes() -> list[BaseException]:
    return []


@pytest.fixture
def worker(crashes):
    worker = Worker("test", crashes.append)
    yield worker
    worker.stop()


def blocked(worker: Worker) -> threading.Event:
    """Keep the worker busy until the event is set."""
    started, release = threading.Event(), threading.Event()

    def job() -> None:
        started.set()
        release.wait(10)

    worker.post(job)
    assert started.wait(10)
    return release


def finish(worker: Worker) -> None:
    done = threading.Event()
    worker.replace("last", done.set)
    assert done.wait(10)


def test_posted_jobs_all_run_in_order_and_before_slots(worker):
    release, ran = blocked(worker), []
    worker.replace("slot", lambda: ran.append("slot"))
    for number in range(100):
        worker.post(lambda number=number: ran.append(number))
    release.set()
    finish(worker)
    assert ran == [*range(100), "slot"]


def test_the_newest_job_of_a_slot_wins(worker):
    release, ran = blocked(worker), []
    for number in range(100):
        worker.replace("slot", lambda number=number: ran.append(number))
    release.set()
    finish(worker)
    assert ran == [99]


def test_a_replaced_job_keeps_its_place_so_that_no_slot_starves(worker):
    release, ran = blocked(worker), []
    worker.replace("first", lambda: ran.append("old"))
    worker.replace("second", lambda: ran.append("second"))
    worker.replace("first", lambda: ran.append("new"))
    release.set()
    finish(worker)
    assert ran == ["new", "second"]


def test_a_cleared_slot_does_not_run(worker):
    release, ran = blocked(worker), []
    worker.replace("slot", lambda: ran.append("slot"))
    worker.clear("slot")
    worker.clear("never filled")
    release.set()
    finish(worker)
    assert ran == []


def test_a_job_waits_for_its_time_and_lets_others_pass(worker):
    ran = []
    start = time.monotonic()
    done = threading.Event()
    worker.replace("late", lambda: (ran.append("late"), done.set()), not_before=start + 0.2)
    worker.replace("soon", lambda: ran.append("soon"))
    assert done.wait(10)
    assert ran == ["soon", "late"]
    assert time.monotonic() - start >= 0.2


def test_a_bug_in_a_job_is_reported_and_ends_the_thread(worker, crashes):
    error = RuntimeError("bug")

    def job() -> None:
        raise error

    release = blocked(worker)
    worker.post(job)
    worker.post(lambda: crashes.append(RuntimeError("ran on")))
    release.set()
    worker.join(10)
    assert crashes == [error]


def test_stop_waits_for_the_running_job_and_drops_the_rest(worker):
    release, ran = blocked(worker), []
    worker.post(lambda: ran.append("posted"))
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    time.sleep(0.05)
    assert stopper.is_alive()
    release.set()
    stopper.join(10)
    assert not stopper.is_alive()
    assert ran == []
