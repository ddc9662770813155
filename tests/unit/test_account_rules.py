"""How often signing in may be tried, what a password must be, and when a session is over."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.accounts.rules import (
    DEVICE,
    FORGOTTEN_AFTER,
    IDLE,
    LONGEST,
    PAIR,
    SOURCE,
    browser_in_words,
    failures_so_far,
    in_words,
    is_over,
    source_of,
    weakness,
)
from tests.support.effort import examples

NOW = datetime(2026, 11, 7, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("patience", [SOURCE, PAIR, DEVICE])
def test_some_tries_are_free_and_then_each_waits_longer_up_to_a_bound(patience):
    waits = [patience.wait(failures) for failures in range(1, 60)]
    assert set(waits[: patience.free - 1]) == {timedelta(0)}
    growing = waits[patience.free - 1 :]
    assert growing == sorted(growing)
    assert growing[:3] == [timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)]
    assert growing[-1] == patience.longest


@given(failures=st.integers(0, 10**9))
@settings(max_examples=examples(100))
def test_no_number_of_failures_locks_for_good(failures):
    assert PAIR.wait(failures) <= PAIR.longest < FORGOTTEN_AFTER


def test_failures_are_forgotten_after_a_quiet_hour():
    assert failures_so_far(9, NOW - FORGOTTEN_AFTER, NOW) == 9
    assert failures_so_far(9, NOW - FORGOTTEN_AFTER - timedelta(seconds=1), NOW) == 0


@given(network=st.integers(2**61, 2**63), hosts=st.tuples(*2 * [st.integers(1, 2**64 - 1)]))
@settings(max_examples=examples(50))
def test_all_addresses_of_one_ipv6_holder_are_one_source(network, hosts):
    one, other = (str(IPv6Address((network << 64) + host)) for host in hosts)
    assert source_of(one) == source_of(other)
    assert source_of(str(IPv6Address(((network + 1) << 64) + 1))) != source_of(one)


@pytest.mark.parametrize(
    ("address", "source"),
    [("10.1.2.3", "10.1.2.3"), ("::ffff:10.1.2.3", "10.1.2.3"), ("[2001:db8::7]", "2001:db8::/64"), ("", "")],
)
def test_the_source_of_an_address(address, source):
    assert source_of(address) == source


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (timedelta(milliseconds=1), "in 1 second"),
        (timedelta(seconds=1.2), "in 2 seconds"),
        (timedelta(seconds=89), "in 89 seconds"),
        (timedelta(seconds=90), "in 2 minutes"),
        (timedelta(minutes=15), "in 15 minutes"),
    ],
)
def test_a_wait_in_words_is_never_too_short(wait, words):
    assert in_words(wait) == words


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaa", "abababababab", "abcdeabcdeabcde", "0987654321098", "qwertyuiop", "asdfghjkl1234",
        "abcdefghijkl", "x" * 257, "QwErTyUiOp123",
    ],
)  # fmt: skip
def test_a_password_that_is_guessed_at_once_is_refused_with_a_sentence(password):
    assert weakness(password).endswith(".")


@pytest.mark.parametrize(
    "password", ["correct-horse-battery", "T7$kq!zzP0", "ünïcödé möglich", "3f9ab2c4d1e8"]
)
def test_a_password_that_is_not_is_taken(password):
    assert weakness(password) == ""


@given(st.text(min_size=0, max_size=300))
@settings(max_examples=examples(200))
def test_every_text_has_a_verdict(password):
    assert isinstance(weakness(password), str)


def test_a_session_is_over_when_it_idled_or_is_old():
    assert not is_over(NOW - LONGEST + timedelta(seconds=1), NOW - IDLE + timedelta(seconds=1), NOW)
    assert is_over(NOW - LONGEST, NOW, NOW)
    assert is_over(NOW - IDLE, NOW - IDLE, NOW)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("", "Unknown"),
    ],
)
def test_a_browser_in_words(agent, words):
    assert browser_in_words(agent) == words
