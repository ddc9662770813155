"""Whose word is believed about where a request came from."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio import addresses
from studio.env import BadSetting

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]
CLIENT = "192.0.2.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        (CLIENT, "", CLIENT),
        (CLIENT, "6.6.6.6", CLIENT),
        ("10.0.0.1", CLIENT, CLIENT),
        ("10.0.0.1", f"6.6.6.6, {CLIENT}", CLIENT),
        ("10.0.0.1", f"6.6.6.6, {CLIENT}, 10.0.0.2", CLIENT),
        ("10.0.0.1", f"{CLIENT}:4711", CLIENT),
        ("::ffff:10.0.0.1", CLIENT, CLIENT),
        ("2001:db8::1", "[2001:db9::7]:80", "2001:db9::7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "6.6.6.6, <script>", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        ("", CLIENT, CLIENT),
        ("", "unknown", ""),
    ],
)
def test_the_first_from_the_right_that_is_no_trusted_proxy_is_the_client(peer, forwarded, found):
    assert addresses.source(peer, forwarded, PROXIES) == found


@given(st.text(max_size=60))
def test_nothing_that_a_client_claims_moves_its_own_address(claimed):
    assert addresses.source(CLIENT, claimed, PROXIES) == CLIENT
    assert addresses.source("10.0.0.1", f"{claimed},{CLIENT}", PROXIES) == CLIENT


def test_a_network_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("STUDIO_TRUSTED_PROXIES", "10.0.0.0/8, home")
    with pytest.raises(BadSetting, match="home"):
        addresses.trusted_proxies()
