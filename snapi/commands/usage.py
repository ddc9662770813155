"""`snapi endpoint usage`: requests, errors, tokens and times of an endpoint, in all, in steps and by key."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.options import EndpointOption, JsonOption, ProjectOption
from snapi.output import dash, grid, label_block, long_time, section, show

EPILOG = "\b\nExample:\n  snapi endpoint usage --project demo --endpoint hello --since 7d --step 1d"

ERRORS = ("client", "limited", "unavailable", "failed", "deadline", "gone")
TIMES = {
    "response_time": "Response time",
    "queue_time": "Queue time",
    "execution_time": "Execution time",
    "time_to_first_token": "Time to first token",
}
STEP_COLUMNS = [
    ("Time (UTC)", 16),
    ("Requests", 8),
    ("Errors", 6),
    ("Prompt tokens", 13),
    ("Completion tokens", 17),
    ("Response P50", 12),
    ("Response P95", 12),
    ("First token P50", 15),
]
KEY_COLUMNS = [
    ("ID", 36),
    ("Description", 20),
    ("Requests", 8),
    ("Errors", 6),
    ("Prompt tokens", 13),
    ("Completion tokens", 17),
]


def usage(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="How long ago (30m, 24h, 7d), or a moment (ISO 8601).")
    ] = "24h",
    until: Annotated[str | None, typer.Option(metavar="TIME", help="The same; else now.")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only what this API key used.")] = None,
    step: Annotated[str | None, typer.Option(metavar="TIME", help="5m, 1h, 1d; else a suitable one.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show what was used of an endpoint: requests, errors, tokens, times."""
    with Client(config.load()) as client:
        answer = client.endpoint_usage(
            endpoint, project=project, since=since, until=until, key=key, step=step
        )
    show(answer, json_output, usage_text(answer, endpoint))


def usage_text(answer: dict[str, Any], endpoint: str) -> str:
    total = answer["total"]
    rows = [
        ("From", long_time(answer.get("since"))),
        ("Until", long_time(answer.get("until"))),
        ("Total requests", total["requests"]),
        ("Errors", _errors(total["errors"])),
        ("Prompt tokens", total["prompt_tokens"]),
        ("Completion tokens", total["completion_tokens"]),
        *((label, _percentiles(total[name])) for name, label in TIMES.items()),
    ]
    parts = [label_block(f"Usage of Endpoint {endpoint}", rows)]
    steps = [_step_row(point) for point in answer["series"] if point["requests"]]
    if steps:
        parts += [section(f"In steps of {_length(answer['step'])}"), grid(STEP_COLUMNS, steps)]
    if answer["keys"]:
        parts += [section("By API key"), grid(KEY_COLUMNS, map(_key_row, answer["keys"]))]
    return "\n".join(parts)


def _errors(errors: dict[str, int]) -> str:
    """`4 (3 limited, 1 gone)`"""
    classes = ", ".join(f"{errors[name]} {name}" for name in ERRORS if errors.get(name))
    return f"{sum(errors.values())} ({classes})" if classes else "0"


def _percentiles(times: dict[str, Any]) -> str:
    if not times["count"]:
        return "-"
    return ", ".join(f"{name.upper()} {_seconds(times[name])}" for name in ("p50", "p90", "p95"))


def _step_row(point: dict[str, Any]) -> tuple[object, ...]:
    return (
        str(point["time"])[:16].replace("T", " "),
        point["requests"],
        sum(point["errors"].values()),
        point["prompt_tokens"],
        point["completion_tokens"],
        _seconds(point["response_time"]["p50"]),
        _seconds(point["response_time"]["p95"]),
        _seconds(point["time_to_first_token"]["p50"]),
    )


def _key_row(key: dict[str, Any]) -> tuple[object, ...]:
    return (
        key["id"],
        dash(key["description"]),
        key["requests"],
        sum(key["errors"].values()),
        key["prompt_tokens"],
        key["completion_tokens"],
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _length(seconds: int) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
