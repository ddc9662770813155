"""`python -m endpoints.gateway`: serves until SIGTERM or SIGINT.

At a stop nothing new is accepted; requests under way may finish for STUDIO_STOP_SECONDS, then each ends with
an error of its own format. Exit code 0; 1 with one sentence when a setting or the address cannot be used.
"""

import asyncio
import ctypes
import gc
import logging
import resource
import signal
import socket
import sys
from typing import Any, cast

import structlog
import uvicorn
import uvloop
from prometheus_client import start_http_server

from endpoints.gateway import settings as told
from endpoints.gateway.app import Gateway
from endpoints.gateway.protocol import Protocol
from endpoints.gateway.settings import Settings
from studio.env import BadSetting

BACKLOG = 2048
IDLE_SECONDS = 75  # a client's idle connection is kept this long
LAST_WORDS_SECONDS = 2
# A reader that does not read stops its instance, too, before the kernel has taken in megabytes for it.
UNSENT_BYTES = 256 * 1024
M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 128 * 1024  # of malloc, see mallopt(3)

# A request leaves no cycles behind; what many at once hold for a while is not worth looking through so often. A closed
# connection does leave some, and those of long streams wait for a full collection: for this many objects, not more.
COLLECT_AFTER = (20_000, 10, 10)


def main() -> None:
    gc.set_threshold(*COLLECT_AFTER)
    _give_back_large_blocks()
    _configure_log()
    _raise_file_limit()
    settings = told.from_environment()
    listener = _listen(settings.host, settings.port)
    # uvicorn raises the signal again once it has stopped; that it has stopped is all we wanted of it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    uvloop.run(_serve(settings, listener))


class Server(uvicorn.Server):
    """uvicorn, with our way of stopping: streams get their time, and then a last word."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, stop_seconds: int) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._stop_seconds = stop_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        running = self._gateway.running
        running.begin_stop()
        stopping = asyncio.get_running_loop().call_later(self._stop_seconds, running.end_stop)
        await super().shutdown(sockets)
        stopping.cancel()


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with Gateway.opened(settings) as gateway:
        _serve_metrics(settings, gateway)
        config = uvicorn.Config(
            cast(Any, gateway),  # no ASGI application: Protocol calls it
            interface="asgi3",
            http=Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=settings.stop_seconds + LAST_WORDS_SECONDS,
        )
        structlog.get_logger().info("gateway listens", host=settings.host, port=settings.port)
        await Server(config, gateway, settings.stop_seconds).serve(sockets=[listener])


def _serve_metrics(settings: Settings, gateway: Gateway) -> None:
    """`/metrics` on a port of its own, so that no client of the platform reads who uses what."""
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.metrics_host, gateway.meter.registry)
    except OSError as error:
        raise BadSetting(_cannot_listen(settings.metrics_host, settings.metrics_port, error)) from None


def _listen(host: str, port: int) -> socket.socket:
    """Raises BadSetting where the address is taken or not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # every connection inherits it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise BadSetting(_cannot_listen(host, port, error)) from None
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    return f"The gateway cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}."


def _raise_file_limit() -> None:
    """Each stream holds two connections; 1024 files, as many shells allow, are soon used up."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _give_back_large_blocks() -> None:
    """Without it glibc keeps the memory of large bodies and answers for the next ones, hundreds of megabytes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def _configure_log() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()
