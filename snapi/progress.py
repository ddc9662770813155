"""Watching an endpoint on its way to Live: one moving line on a terminal, plain lines in a pipe."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from snapi.client import Client
from snapi.errors import NotReached, Unreachable
from snapi.output import one_line

POLL_SECONDS = 0.5
# A web process that restarts must not end a wait of hours.
SILENCE_SECONDS = 30.0
UNDER_WAY = {"SettingUp", "AwaitingRDU", "Updating"}


def wait_until_live(client: Client, endpoint_id: str, timeout: float | None) -> None:
    """Returns when the endpoint is Live. Raises `NotReached` when it fails, is stopped, or takes too long."""
    started = time.monotonic()
    with _screen() as show:
        while True:
            endpoint = _ask(client, endpoint_id)
            status = str(endpoint.get("status"))
            show(summary(endpoint))
            if status == "Live":
                return
            if status not in UNDER_WAY:
                raise NotReached(f"The endpoint is {words(status)}. {_reason(endpoint)}".strip())
            if timeout is not None and time.monotonic() - started >= timeout:
                raise NotReached(f"Not Live after {timeout:g} seconds: {summary(endpoint)}")
            time.sleep(POLL_SECONDS)


def summary(endpoint: dict[str, Any]) -> str:
    """`Awaiting RDU: 0 of 4 instances ready; instance 1: Nothing is free… (and 3 more)`"""
    text = f"{words(endpoint.get('status'))}: {ready_text(endpoint)} ready"
    waiting = waiting_lines(endpoint)
    if not waiting:
        return text
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"{text}; {waiting[0]}{more}"


def ready_text(endpoint: dict[str, Any]) -> str:
    ready, wanted = endpoint.get("instances_ready"), endpoint.get("instances_wanted")
    return f"{ready} of {wanted} instance{'' if wanted == 1 else 's'}"


def waiting_lines(endpoint: dict[str, Any]) -> list[str]:
    return [
        f"instance {one_line(row.get('instance'))}: {one_line(row.get('sentence'))}"
        for row in endpoint.get("waiting") or []
    ]


def words(status: object) -> str:
    """The API's `AwaitingRDU` as the product says it: Awaiting RDU."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", one_line(status))


def _ask(client: Client, endpoint_id: str) -> dict[str, Any]:
    silent_since = time.monotonic()
    while True:
        try:
            return client.endpoint_info(endpoint_id)
        except Unreachable:
            if time.monotonic() - silent_since >= SILENCE_SECONDS:
                raise
            time.sleep(POLL_SECONDS)


def _reason(endpoint: dict[str, Any]) -> str:
    return one_line(endpoint.get("status_reason"))


@contextmanager
def _screen() -> Iterator[Callable[[str], None]]:
    """Where progress goes: stderr, because stdout holds the one line that scripts read."""
    if not sys.stderr.isatty():
        yield _changed_lines()
        return
    # Only a wait on a terminal needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(Text(text))


def _changed_lines() -> Callable[[str], None]:
    last = ""

    def show(text: str) -> None:
        nonlocal last
        if text != last:
            typer.echo(text, err=True)
            last = text

    return show
