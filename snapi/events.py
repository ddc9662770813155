"""Who did what, as a table: of an endpoint, a project, a model, or a tenant."""

from typing import Any

from snapi.output import grid, one_line, section

COLUMNS = [("Time (UTC)", 19), ("Who", 16), ("Did", 12), ("What", 8), ("Name", 30)]


def events_text(answer: dict[str, Any], of: str = "") -> str:
    """`of`: of what; nothing for the whole tenant."""
    title = f"Events of {of}" if of else "Events"
    return f"{section(title)}\n{grid(COLUMNS, [_row(each) for each in answer['events']])}"


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    return (
        one_line(one.get("time"))[:19].replace("T", " "),
        one.get("actor"),
        one.get("verb"),
        one.get("thing"),
        one.get("thing_name"),
    )
