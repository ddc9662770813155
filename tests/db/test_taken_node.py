"""A node whose machine somebody has taken: what it can say of itself, and what nobody believes."""

import msgspec
import pytest

from scheduler import driver, registers, wire
from scheduler.models import Node
from studio import seal
from tests.support.site import Site


@pytest.fixture
def site(cast, control_broker) -> Site:
    site = Site(cast, control_broker)
    site.make_ready()
    return site


def say(site: Site, **changes: object) -> bool:
    """A report sealed with the node's own key, as whoever has its token can make it."""
    report = msgspec.structs.replace(site.agent.report(), **changes)
    return driver.take_report(site.fresh(), site.agent.sealed(report))


def as_seen(site: Site, **changes: object) -> list[wire.Seen]:
    return [msgspec.structs.replace(seen, **changes) for seen in site.agent.report().instances]


@pytest.mark.parametrize("host", ["a b", "a\r\nx: y", "http://a", "a/b", "a@b", "", "x" * 65, "a\0"])
def test_a_host_that_is_none_is_not_believed(site: Site, host: str) -> None:
    before = site.fresh().address
    assert not say(site, host=host)
    assert not host or not say(site, instances=as_seen(site, host=host, port=80))
    assert (site.fresh().address, site.row.host) == (before, "127.0.0.1")


def test_what_it_says_of_an_end_is_cut(site: Site) -> None:
    long = "x" * 100_000
    failed = as_seen(site, state="exited", error="launch", sentence=long, log_tail=[long] * 50)
    assert say(site, instances=failed)
    row = site.row
    assert (len(row.reason["sentence"]), len(row.log_tail), len(row.log_tail[0])) == (500, 20, 500)


def test_a_report_that_is_too_large_is_not_even_opened(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MOST_REPORT", 100)
    assert not say(site, machine="elsewhere")


def test_it_speaks_for_itself_alone(site: Site, cast) -> None:
    """Its key opens and seals for no other node, and what runs elsewhere is not its to report."""
    other = cast.node("sn40l-2")
    body = site.agent.sealed(msgspec.structs.replace(site.agent.report(), node="sn40l-2"))
    assert not driver.take_report(other, body)
    foreign = seal.derive("a token of its own making", "node-wire")
    forged = seal.seal(foreign, wire.encode(site.agent.report()), wire.wish_purpose("sn40l-1"))
    assert not driver.take_report(site.fresh(), forged)
    Node.objects.filter(pk=site.node.pk).update(agent="another agent")
    assert not driver.take_report(site.fresh(), site.agent.sealed(site.agent.report()))


def test_a_taken_broker_has_no_key_to_speak_with(site: Site, control_broker) -> None:
    """It may drop, delay and repeat what others wrote: a repeat is older than what is known."""
    _, body = registers.get_reports(control_broker, ["sn40l-1"])["sn40l-1"]
    assert not driver.take_report(site.fresh(), body)
    assert not driver.take_report(site.fresh(), body[:-1] + bytes([body[-1] ^ 1]))
    assert b"sn40l-1" not in body
