"""The keys of a gateway change while it runs: read with each poll, held until what was made without them is known."""

from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from endpoints.gateway import rings
from endpoints.gateway.rings import KEYS, PEPPERS, PUBLICS, Rings
from endpoints.wire import Key
from studio import seal
from tests.gateway import fake
from tests.gateway.conftest import V1, World, serving, settings_for
from tests.gateway.control import ENDPOINT, KEY, Control, hello
from tests.support.waiting import eventually_async

ASK = {"instances": ["x"]}


class Files:
    """The three rings as files, written as `manage.py rotate-keys` does: the new file replaces the old one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, *keys: bytes) -> None:
        draft = self.folder / f"{name}.new"
        draft.touch(0o600)
        draft.write_text(",".join(map(seal.spelled, keys)))
        draft.replace(self.folder / name)

    def hold(self, control: Control) -> None:
        for name, ring in control.rings.told.items():
            self.write(name, *ring)


def new() -> bytes:
    return seal.ring(seal.new_key())[0]


@pytest.fixture
def files(tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch) -> Files:
    for name in (PEPPERS, KEYS, PUBLICS):
        monkeypatch.delenv(f"STUDIO_{name.upper()}")
    monkeypatch.setenv("STUDIO_SECRETS_DIR", str(tmp_path))
    files = Files(tmp_path)
    files.hold(control)
    return files


@pytest.fixture
def held(files: Files) -> Rings:
    return rings.from_environment()


def look(held: Rings) -> Sequence[bytes]:
    held.look()
    return held.peppers


def test_a_file_that_did_not_change_is_not_read_again(held):
    before = held.peppers
    assert not held.look()
    held.let_go(held.told)
    assert held.peppers is before, "so that what connections keep stays good"


def test_a_new_key_is_used_at_once_and_the_old_one_is_held_over_a_whole_poll(held, files, control):
    first, second = control.pepper, new()
    files.write(PEPPERS, second, first)
    assert look(held) == [second, first]
    files.write(PEPPERS, second)
    before = held.told  # the poll that is under way began with both
    assert look(held) == [second, first]
    held.let_go(before)
    assert held.peppers == [second, first], "what it took may be of the time before"
    held.let_go(held.told)
    assert held.peppers == [second]


@pytest.mark.parametrize("content", ["", "nonsense", "c2hvcnQ=", "ä"])
def test_a_file_that_cannot_be_read_changes_nothing(held, files, control, content):
    (files.folder / PEPPERS).write_text(content)
    assert look(held) == [control.pepper]
    (files.folder / PEPPERS).unlink()
    assert look(held) == [control.pepper]
    files.write(PEPPERS, key := new())
    assert look(held)[0] == key


def test_a_file_that_others_may_read_is_not_believed(held, files, control):
    files.write(PEPPERS, new())
    (files.folder / PEPPERS).chmod(0o644)
    assert look(held) == [control.pepper]


def test_what_is_a_variable_stays(files, control, monkeypatch):
    monkeypatch.setenv("STUDIO_KEY_PEPPER", seal.spelled(control.pepper))
    held = rings.from_environment()
    files.write(PEPPERS, new())
    assert look(held) == [control.pepper]


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The values of which a digest was made, in order."""
    made, whole = [], seal.digest

    def counting(pepper: bytes, value: str) -> bytes:
        made.append(value)
        return whole(pepper, value)

    monkeypatch.setattr(seal, "digest", counting)
    return made


async def test_one_pepper_is_one_digest_and_a_connection_makes_it_once(world, digested):
    for _ in range(3):
        await asked(world)
    assert digested == [KEY]


async def test_the_work_is_the_same_for_a_known_key_and_an_unknown_one(control, broker, digested):
    """Whichever pepper knows it: what is looked up is digests, and how alike two keys are shows nowhere."""
    told = {**control.rings.told, PEPPERS: [new(), control.pepper, new()]}
    settings = settings_for(control, broker.url, rings=Rings(told))
    near = KEY[:-1] + "?"
    async with fake.started("a") as instances, serving(settings) as gateway:
        control.publish(hello(control, instances[0].upstream))
        control.complete()
        await eventually_async(lambda: gateway.table.complete)
        digested.clear()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{settings.port}") as http:
            for key, status in ((KEY, 200), (near, 401), ("?", 401)):
                async with http.post(V1, json=ASK, headers={"key": key}) as response:
                    assert response.status == status
                    await response.read()
    assert digested == [KEY] * 3 + [near] * 3 + ["?"] * 3


async def test_a_connection_that_stays_goes_on_over_a_new_pepper(files, control, broker, tmp_path):
    settings = settings_for(control, broker.url, rings=rings.from_environment())
    async with fake.started("a") as instances, serving(settings) as gateway:
        world = World(control, gateway, f"http://127.0.0.1:{settings.port}", None, instances, None)
        control.publish(hello(control, instances[0].upstream))
        control.complete()
        await eventually_async(lambda: gateway.table.complete)
        async with aiohttp.ClientSession() as world.http:
            await asked(world)
            old, control.pepper = control.pepper, new()
            files.write(PEPPERS, control.pepper, old)
            await asked(world)
            await world.change()
            await asked(world)
            files.write(PEPPERS, control.pepper)
            await eventually_async(lambda: gateway._settings.rings.peppers == [control.pepper])
            await asked(world)


async def asked(world: World) -> None:
    async with world.post(V1, ASK) as response:
        assert response.status == 200
        await response.read()


async def test_a_route_that_did_not_open_is_taken_when_its_key_comes(files, control, broker):
    settings = settings_for(control, broker.url, rings=rings.from_environment())
    async with serving(settings) as gateway:
        control.publish(hello(control))
        control.complete()
        await eventually_async(lambda: gateway.table.complete)
        control.seal_key = new()
        control.publish(hello(control, version=2, keys=[Key("k", b"d" * 32)]))
        await control.two_polls()
        assert gateway.table.version(ENDPOINT) == 1
        files.write(KEYS, control.seal_key)
        await eventually_async(lambda: gateway.table.version(ENDPOINT) == 2)
