"""Where a request came from: the peer, unless it is a proxy that the operator trusts to say it.

Networks of trusted proxies stand in `STUDIO_TRUSTED_PROXIES`. A Unix socket has no peer address; whoever may open
it (the gateway's front) is trusted.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from studio import env

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def trusted_proxies() -> list[Network]:
    """Raises `BadSetting` for what is no network."""
    try:
        return [ip_network(word, strict=False) for word in env.words("STUDIO_TRUSTED_PROXIES")]
    except ValueError as error:
        raise env.BadSetting(f"STUDIO_TRUSTED_PROXIES holds addresses and networks: {error}.") from None


def is_trusted(peer: str, proxies: Sequence[Network]) -> bool:
    """Whether what this peer says of the client is believed."""
    address = _parsed(peer)
    return not peer or (address is not None and any(address in network for network in proxies))


def source(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The client's address. `forwarded`: `X-Forwarded-For` as it came, each proxy's word behind those it heard.

    From the right, the first that is no trusted proxy is the client: what stands left of it is the client's own
    word. Behind a word that is no address, the nearest proxy is all that is known.
    """
    known = peer
    words = [word.strip() for word in forwarded.split(",") if word.strip()]
    while words and is_trusted(known, proxies):
        said = _parsed(words.pop())
        if said is None:
            break
        known = str(said)
    return known


def _parsed(word: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; an IPv4 one is the same in IPv6 dress."""
    bare = word[1:].partition("]")[0] if word.startswith("[") else word
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
