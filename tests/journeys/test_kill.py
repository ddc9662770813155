"""Every kind of process killed and frozen while people create, ask, stop and delete: all comes to rest by itself."""

import itertools
import time
from collections.abc import Iterator

import pytest

from tests.support.desk import Desk, Endpoint, together
from tests.support.oracle import Oracle
from tests.support.platform import Platform
from tests.support.strikes import KINDS, NEEDLESS, Strikes

pytestmark = pytest.mark.timeout(240)

CALM_SECONDS = 90
MOMENTS = ("create", "predict", "stop", "delete")
LONG_SILENCE = ("agent", "broker", "server")  # what the platform must tell standing still from dead
numbers = itertools.count(1)


@pytest.fixture
def desk(up: Platform) -> Desk:
    return Desk(up)


@pytest.fixture
def oracle(up: Platform) -> Oracle:
    return Oracle(up)


@pytest.fixture
def hello(desk: Desk, oracle: Oracle) -> Endpoint:
    """Live and at rest before the trouble; the next test finds it so too."""
    found = desk.hello()
    desk.until(found, "Live", CALM_SECONDS)
    oracle.agrees(CALM_SECONDS)
    return found


@pytest.fixture
def others(desk: Desk) -> Iterator[list[Endpoint]]:
    """Two more Live endpoints: one to stop, one to delete."""
    made = [desk.create(f"trouble-{next(numbers)}") for _ in range(2)]
    for each in made:
        desk.until(each, "Live", CALM_SECONDS)
    yield made
    for each in made:
        desk.delete(each)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *((kind, "kill") for kind in KINDS),
        *(
            pytest.param(kind, "freeze", marks=[] if kind in LONG_SILENCE else pytest.mark.soak)
            for kind in KINDS
        ),
    ],
)
def test_everything_converges_when_a_process_dies_or_stands_still(
    kind: str, how: str, up: Platform, desk: Desk, oracle: Oracle, hello: Endpoint, others: list[Endpoint]
) -> None:
    """All four operations are begun the moment after."""
    to_stop, to_delete = others
    name = f"trouble-{next(numbers)}"
    server = oracle.server_of(hello["id"])
    begun = time.monotonic()
    with oracle.watching(), desk.calling(hello) as answers:
        thaw = Strikes(up, oracle).strike(kind, how, hello)
        acts = together(lambda: desk.create(name), lambda: desk.stop(to_stop), lambda: desk.delete(to_delete))
        thaw()
        trouble = time.monotonic() - begun
        for act in acts:
            act.join(CALM_SECONDS)
        made = desk.named(name)
        desk.until(made, "Live", CALM_SECONDS)
        desk.until(to_stop, "Stopped", CALM_SECONDS)
        desk.until(hello, "Live", CALM_SECONDS)
        oracle.agrees(CALM_SECONDS)
    print(
        f"{kind} {how}: at rest {time.monotonic() - begun - trouble:.1f} s after the trouble of {trouble:.1f} s"
    )

    desk.until_it_answers(hello)
    desk.until_it_answers(made)
    desk.delete(made)
    assert not oracle.instances(to_delete["id"])
    if kind in NEEDLESS:
        assert set(answers) == {200}, f"predictions went wrong: {answers}"
        assert server.lives(), "a model server was touched"


@pytest.mark.soak
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.parametrize("kind", KINDS)
def test_everything_converges_at_each_moment(
    kind: str, how: str, moment: str, up: Platform, desk: Desk, oracle: Oracle, others: list[Endpoint]
) -> None:
    """One operation, and the process it goes through is struck while it is under way."""
    target, spare = others
    name = f"trouble-{next(numbers)}"
    acts = {
        "create": lambda: desk.create(name),
        "predict": lambda: desk.until_it_answers(target, CALM_SECONDS),
        "stop": lambda: desk.stop(target),
        "delete": lambda: desk.delete(target),
    }
    strikes = Strikes(up, oracle)
    struck = target if moment in ("predict", "stop", "delete") else spare
    with oracle.watching():
        (act,) = together(acts[moment])
        thaw = strikes.strike(kind, how, struck)
        thaw()
        act.join(CALM_SECONDS)
        wanted = {"create": "Live", "predict": "Live", "stop": "Stopped"}
        if moment != "delete":
            desk.until(desk.named(name) if moment == "create" else target, wanted[moment], CALM_SECONDS)
        desk.until(spare, "Live", CALM_SECONDS)
        oracle.agrees(CALM_SECONDS)
    if moment == "create":
        desk.delete(desk.named(name))
    if moment == "delete":
        assert not oracle.instances(target["id"])
