"""What commands print: label blocks, grid tables, dates, and the lines of a failure.

Nothing is coloured or wrapped that goes into a pipe. Values come from people, so control characters in
them are shown as spaces: a description must not be able to fake another label or steer a terminal.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from snapi.errors import Refused, SnapiError

SECTION_RULE = "-" * 72


def show(answer: dict[str, Any], as_json: bool, text: str) -> None:
    """The answer for a program, or the text for a person."""
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else text)


def warn(sentence: str) -> None:
    typer.echo(f"{_paint('warning:', 'yellow')} {one_line(sentence)}", err=True)


def fail(error: SnapiError, as_json: bool) -> None:
    """The sentence on stderr; on stdout the lines (or the JSON) that scripts look for after a refusal."""
    typer.echo(_paint(one_line(error.sentence), "red"), err=True)
    if not isinstance(error, Refused):
        return
    if as_json:
        typer.echo(json.dumps(error.answer, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"Error occured\nStatus_code: {error.status}\nmessage: {one_line(error.sentence)}")


def label_block(title: str, rows: Iterable[tuple[str, object]], *, rule: int | None = None) -> str:
    """`title`, an underline of `rule` characters (as long as the title unless told), `Label : value` lines."""
    lines = [title, "=" * (rule or len(title))]
    return "\n".join([*lines, *(label_line(label, value) for label, value in rows)])


def label_line(label: str, value: object) -> str:
    return f"{label} : {one_line(value)}".rstrip()


def grid(columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[object]]) -> str:
    """A grid table. A column is its heading and its least width; longer values widen it."""
    table = [[one_line(cell) for cell in row] for row in rows]
    headings = [heading for heading, _ in columns]
    widths = [
        max(least, len(heading), *(len(row[at]) for row in table))
        for at, (heading, least) in enumerate(columns)
    ]
    rule = _rule(widths, "-")
    lines = [rule, _cells(headings, widths), _rule(widths, "=")]
    for row in table:
        lines += [_cells(row, widths), rule]
    return "\n".join(lines)


def section(title: str) -> str:
    return f"{SECTION_RULE}\n{one_line(title)}\n{SECTION_RULE}"


def day(moment: object) -> str:
    """`07 Nov, 2023`"""
    parsed = _moment(moment)
    return f"{parsed:%d %b, %Y}" if parsed else one_line(moment)


def long_time(moment: object) -> str:
    """`2023-03-23 00:00:00 +0000 UTC`"""
    parsed = _moment(moment)
    return f"{parsed:%Y-%m-%d %H:%M:%S} +0000 UTC" if parsed else one_line(moment)


def dash(value: object) -> object:
    return "-" if value is None or value == "" else value


def one_line(value: object) -> str:
    return plain("" if value is None else str(value)).replace("\n", " ").strip()


def plain(text: str) -> str:
    """Without control characters, line ends excepted."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def _moment(value: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _rule(widths: Sequence[int], sign: str) -> str:
    return "+" + "+".join(sign * (width + 2) for width in widths) + "+"


def _cells(values: Sequence[str], widths: Sequence[int]) -> str:
    padded = (value.ljust(width) for value, width in zip(values, widths, strict=True))
    return "| " + " | ".join(padded) + " |"


def _paint(text: str, colour: str) -> str:
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=colour)
