"""`snapi endpoint watch|instances|logs|events`: what becomes of an endpoint."""

import json
import sys
import time
from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.events import events_text
from snapi.options import EndpointOption, JsonOption, ProjectOption
from snapi.output import dash, grid, one_line, section, show
from snapi.progress import lines_of, screen

app = typer.Typer()

INSTANCE_COLUMNS = [
    ("Instance", 8),
    ("State", 9),
    ("Node", 16),
    ("RDUs", 12),
    ("Progress", 14),
    ("Restarts", 8),
    ("Reason", 30),
]
TimeoutOption = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="How long at most; else until Ctrl-C.")
]


@app.command(epilog="\b\nExample:\n  snapi endpoint watch --project demo --endpoint hello")
def watch(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    timeout: TimeoutOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the status, the instances and what is done to them as it happens, until Ctrl-C."""
    until = None if timeout is None else time.monotonic() + timeout
    done: list[str] = []
    with Client(config.load()) as client, screen(sys.stdout) as draw:
        for frame in client.watch_endpoint(endpoint, project=project, until=until):
            if json_output:
                if frame.kind:
                    typer.echo(json.dumps({"event": frame.kind, **frame.data}, ensure_ascii=False))
                continue
            if frame.kind == "event":
                done = [*done[-4:], _sentence(frame.data)]
                draw(done)
            elif frame.kind == "endpoint":
                draw([*lines_of(frame.data, pictures=sys.stdout.isatty()), *done])
            elif frame.kind == "gone":
                draw([*done, f"Endpoint {one_line(endpoint)} is deleted, or not yours to see any more."])


@app.command(epilog="\b\nExample:\n  snapi endpoint instances --project demo --endpoint hello")
def instances(
    endpoint: EndpointOption, project: ProjectOption = None, json_output: JsonOption = False
) -> None:
    """List the instances with their nodes, RDUs, progress and why they wait."""
    with Client(config.load()) as client:
        answer = client.list_instances(endpoint, project=project)
    table = grid(INSTANCE_COLUMNS, [_row(each) for each in answer["instances"]])
    show(answer, json_output, f"{section(f'List of Instances for Endpoint {endpoint}')}\n{table}")


@app.command(epilog="\b\nExample:\n  snapi endpoint logs --project demo --endpoint hello --instance 1")
def logs(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    instance: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only this instance, by its number.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show the last lines that instances wrote before they failed."""
    with Client(config.load()) as client:
        answer = client.list_instances(endpoint, project=project)
    found = [
        each
        for each in answer["instances"]
        if each.get("log_tail") and instance in (None, each.get("instance"))
    ]
    lines = [
        f"instance {one_line(each.get('instance'))}: {one_line(line)}"
        for each in found
        for line in each["log_tail"]
    ]
    show(answer, json_output, "\n".join(lines) or "No instance has failed.")


@app.command(epilog="\b\nExample:\n  snapi endpoint events --project demo --endpoint hello")
def events(
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", "-e", metavar="NAME|ID", help="The endpoint; else the latest of the whole tenant."
        ),
    ] = None,
    project: ProjectOption = None,
    json_output: JsonOption = False,
) -> None:
    """List who did what, newest first."""
    with Client(config.load()) as client:
        answer = client.list_events(endpoint, project=project) if endpoint else client.tenant_events()
    show(answer, json_output, events_text(answer, f"Endpoint {endpoint}" if endpoint else ""))


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    percent = one.get("percent")
    phase = " ".join(
        str(word) for word in (one.get("phase"), f"{percent} %" if percent is not None else "") if word
    )
    return (
        one.get("instance"),
        one.get("state"),
        dash(one.get("node")),
        dash(", ".join(str(number) for number in one.get("rdus") or [])),
        dash(phase),
        one.get("crashes"),
        dash(one.get("sentence")),
    )


def _sentence(event: dict[str, Any]) -> str:
    """`13:06:50 tina: stop endpoint hello`"""
    what = " ".join(one_line(event.get(name)) for name in ("verb", "thing", "thing_name"))
    return f"{one_line(event.get('time'))[11:19]} {one_line(event.get('actor'))}: {what}"
