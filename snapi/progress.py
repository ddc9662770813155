"""Watching an endpoint: a moving picture of its instances on a terminal, plain lines in a pipe."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import typer

from snapi.client import Client
from snapi.errors import NotReached
from snapi.output import one_line

UNDER_WAY = {"SettingUp", "AwaitingRDU", "Updating"}
BAR = 20  # characters

Show = Callable[[Sequence[str]], None]


def wait_until_live(client: Client, endpoint_id: str, timeout: float | None) -> None:
    """Returns when the endpoint is Live. Raises `NotReached` when it fails, is stopped, or takes too long."""
    until = None if timeout is None else time.monotonic() + timeout
    latest = "nothing was heard of it"
    with screen(sys.stderr) as show:
        for frame in client.watch_endpoint(endpoint_id, until=until and max(until, time.monotonic() + 1)):
            if frame.kind == "gone":
                raise NotReached("The endpoint is deleted, or not yours to see any more.")
            if frame.kind == "endpoint":
                endpoint = frame.data.get("endpoint") or {}
                latest = summary(endpoint)
                show(lines_of(frame.data, pictures=sys.stderr.isatty()))
                status = str(endpoint.get("status"))
                if status == "Live":
                    return
                if status not in UNDER_WAY:
                    reason = one_line(endpoint.get("status_reason"))
                    raise NotReached(f"The endpoint is {words(status)}. {reason}".strip())
            if until is not None and time.monotonic() >= until:
                break
    raise NotReached(f"Not Live after {timeout:g} seconds: {latest}")


# ----- what is said ---------------------------------------------------------------------------------------


def lines_of(state: dict[str, Any], *, pictures: bool) -> list[str]:
    """The endpoint's line and one for each instance on its way. Why others wait stands in the first."""
    instances = [each for each in state.get("instances") or [] if pictures or each.get("state") not in QUIET]
    return [summary(state.get("endpoint") or {}), *(_instance(each, pictures) for each in instances)]


QUIET = ("awaiting", "ready")


def _instance(instance: dict[str, Any], pictures: bool) -> str:
    """`instance 1: starting on sn40l-1, loading` and, as a picture, how far."""
    where = f" on {one_line(instance['node'])}" if instance.get("node") else ""
    text = f"instance {one_line(instance.get('instance'))}: {one_line(instance.get('state'))}{where}"
    percent = instance.get("percent")
    if instance.get("phase"):
        text += f", {one_line(instance['phase'])}"
        if pictures and isinstance(percent, int):
            done = min(BAR, percent * BAR // 100)
            text += f" {'█' * done}{'░' * (BAR - done)} {percent} %"
    if instance.get("sentence"):
        text += f" ({one_line(instance['sentence'])})"
    return text


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


# ----- where it goes --------------------------------------------------------------------------------------


@contextmanager
def screen(stream: TextIO) -> Iterator[Show]:
    """A picture that is drawn anew on a terminal; in a pipe each new line once."""
    if not stream.isatty():
        yield _new_lines(stream)
        return
    # Only a terminal needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=stream)
    with Live(Text(""), console=console, auto_refresh=False) as live:

        def show(lines: Sequence[str]) -> None:
            room = max(2, console.size.height - 1)
            shown = list(lines[:room])
            if len(lines) > room:
                shown[-1] = f"… and {len(lines) - room + 1} more"
            live.update(Text("\n".join(shown), overflow="ellipsis", no_wrap=True), refresh=True)

        yield show


def _new_lines(stream: TextIO) -> Show:
    before: set[str] = set()

    def show(lines: Sequence[str]) -> None:
        nonlocal before
        for line in lines:
            if line not in before:
                typer.echo(line, file=stream)
        before = set(lines)

    return show
