"""Free ports of the node's address. Nobody can reserve one, so a server may still lose the race for it."""

import errno
import socket
from collections.abc import Collection


def free(address: str, taken: Collection[int]) -> int:
    """A port that nobody listens on now and that is not among `taken`."""
    while True:
        with _socket(address) as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


def is_taken(address: str, port: int) -> bool:
    with _socket(address) as probe:
        # As servers do it: connections of a server that just ended are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
