"""An instance without agent or broker, with shortened times."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from scheduler.agent import instance as instances
from scheduler.agent.checkpoints import Checkpoints
from scheduler.agent.instance import Instance
from scheduler.agent.server import Site
from scheduler.agent.settings import Settings
from scheduler.agent.state import InstanceFolder
from studio import seal
from tests.agent.node import PATIENCE, ask, runtime, wished
from tests.support.waiting import eventually_async


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(instances, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(instances, "READY_EVERY", 0.1)
    settings = Settings("n", tmp_path, seal.Secret("t"), tmp_path, "127.0.0.1", "", 10)
    checkpoints = Checkpoints(tmp_path, tmp_path / "verified.json")
    return Site(settings, f"n+{tmp_path}", dict(os.environ), checkpoints, set(), lambda: None)


@pytest.fixture
def make(site: Site):
    made = []

    def start(**changes) -> Instance:
        one = wished(**changes)
        made.append(Instance(one, InstanceFolder(site.settings.folder / one.id), site))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        record = one.folder.record()
        if record:
            record.kill()


async def reaches(one: Instance, phase: str) -> None:
    await eventually_async(lambda: one.phase == phase, PATIENCE, what=f"{phase}, not {one.seen()}")


async def test_a_frozen_server_is_not_ready_until_it_answers_again(make):
    one = make()
    await reaches(one, "ready")
    pid = one.seen().pid
    os.kill(pid, signal.SIGSTOP)
    await reaches(one, "starting")
    assert one.seen().sentence == "The model server does not answer."
    os.kill(pid, signal.SIGCONT)
    await reaches(one, "ready")
    assert (one.seen().pid, one.seen().sentence) == (pid, "")
    # It was warmed up before and is not asked again.
    assert (await asyncio.to_thread(ask, one.seen(), one.wished, "/fake"))["warm"] == 1


async def test_a_server_that_stays_frozen_is_given_up(make):
    one = make(runtime=runtime(start_seconds=1, stop_seconds=0))
    await reaches(one, "ready")
    os.kill(one.seen().pid, signal.SIGSTOP)
    await reaches(one, "exited")
    seen = one.seen()
    assert (seen.error, seen.sentence) == ("crash", "The model server did not get ready within 1 seconds.")


async def test_a_server_that_hangs_is_drained_by_its_deadline(make):
    one = make(drain_seconds=1)
    await reaches(one, "ready")
    await asyncio.to_thread(ask, one.seen(), one.wished, "/fake/hang", "POST")
    one.drain(one.wished)
    await reaches(one, "stopped")


async def test_a_runtime_that_tells_no_count_is_drained_for_the_whole_time(make):
    one = make(runtime=runtime(metrics_path=""), drain_seconds=2)
    await reaches(one, "ready")
    one.drain(one.wished)
    begun = asyncio.get_running_loop().time()
    await reaches(one, "stopped")
    assert asyncio.get_running_loop().time() - begun >= 2


async def test_health_without_an_answer_to_the_warm_up_is_not_ready(make):
    one = make(runtime=runtime(warmup_path="/v1/nothing", start_seconds=1))
    await reaches(one, "warming")
    await eventually_async(lambda: one.sentence == "The warm-up request was answered with status 404.")
    await reaches(one, "exited")
    assert one.outcome is not None
    assert one.outcome.error == "launch"


async def test_a_port_is_given_back(make, site: Site):
    one = make()
    await reaches(one, "ready")
    assert site.ports == {one.seen().port}
    one.end()
    await reaches(one, "stopped")
    assert site.ports == set()


async def test_a_mistake_of_the_agent_ends_the_instance_and_is_told(make, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> bool:
        raise RuntimeError("a mistake")

    one = make()
    await reaches(one, "ready")
    monkeypatch.setattr(instances.probe, "healthy", broken)
    await reaches(one, "exited")
    assert one.seen().sentence == "The node's agent failed with this instance; see its log."
    assert not one.server.record.alive()
