"""The endpoint commands' answers as text: documented labels in their documented order."""

from typing import Any

from snapi.output import day, grid, label_block, label_line, section
from snapi.progress import ready_text, waiting_lines, words

# What the document shows of a key here; limits stand in `info-apikey`.
KEY_FIELDS = (
    "user_id",
    "time_created",
    "description",
    "status",
    "id",
    "endpoint_id",
    "time_updated",
    "api_key",
)
LIST_COLUMNS = [
    ("Name", 30),
    ("Project", 20),
    ("Model", 30),
    ("Instances", 9),
    ("RDU Arch", 8),
    ("Created On", 12),
    ("Owner", 12),
    ("Status", 12),
]
DELETED_COLUMNS = [
    ("ID", 36),
    ("Name", 30),
    ("Project", 20),
    ("Model", 30),
    ("Owner", 12),
    ("Deleted at", 32),
]
PLAN_COLUMNS = [("Instance", 8), ("Node", 16), ("Waits because", 30)]


def info_text(endpoint: dict[str, Any]) -> str:
    """The label block, then what more there is to say. Old scripts look for the words Status, URL and
    API Key in each line, so no further line may have them."""
    rows = [
        ("ID", endpoint.get("id")),
        ("Name", endpoint.get("name")),
        ("Description", endpoint.get("description")),
        ("Project ID", endpoint.get("project_id")),
        ("ML App", endpoint.get("ml_app")),
        ("Model", endpoint.get("model_name")),
        ("Instances", endpoint.get("instances")),
        ("URL", endpoint.get("url")),
        ("API Key", endpoint.get("api_key")),
        ("Status", words(endpoint.get("status"))),
        ("Created at", endpoint.get("time_created")),
        ("Last Updated", endpoint.get("time_updated")),
        ("API Keys", [_key(each) for each in endpoint.get("api_keys") or []]),
        ("Hyperparams", endpoint.get("hyperparams") or "None"),
        ("Arch", endpoint.get("arch")),
    ]
    return "\n".join([label_block("Endpoint Info", rows), *_more(endpoint)])


def _key(key: dict[str, Any]) -> dict[str, Any]:
    return {name: key.get(name) for name in KEY_FIELDS}


def _more(endpoint: dict[str, Any]) -> list[str]:
    lines = [
        label_line("Model Version", endpoint.get("model_version")),
        label_line("Owner", endpoint.get("owner")),
        label_line("Ready", ready_text(endpoint)),
    ]
    if endpoint.get("status_reason"):
        lines.append(label_line("Reason", endpoint["status_reason"]))
    return [*lines, *(label_line("Waiting", line) for line in waiting_lines(endpoint))]


def list_text(answer: dict[str, Any], project: str | None) -> str:
    title = f"List of Endpoints for Project {project}" if project else "List of Endpoints"
    return f"{section(title)}\n{grid(LIST_COLUMNS, map(_list_row, answer['endpoints']))}"


def _list_row(endpoint: dict[str, Any]) -> tuple[object, ...]:
    return (
        endpoint.get("name"),
        endpoint.get("project_name"),
        endpoint.get("model_name"),
        endpoint.get("instances"),
        endpoint.get("arch"),
        day(endpoint.get("time_created")),
        endpoint.get("owner"),
        words(endpoint.get("status")),
    )


def deleted_text(answer: dict[str, Any]) -> str:
    names = ("id", "name", "project_name", "model_name", "owner", "time_deleted")
    rows = [tuple(endpoint.get(name) for name in names) for endpoint in answer["endpoints"]]
    return f"{section('Recently deleted Endpoints')}\n{grid(DELETED_COLUMNS, rows)}"


def plan_text(plan: dict[str, Any]) -> str:
    rows = [
        ("Model", plan.get("model_name")),
        ("Model Version", plan.get("model_version")),
        ("Arch", plan.get("arch")),
        ("RDUs per instance", plan.get("rdus_per_instance")),
        ("RDUs for all instances", plan.get("rdus_required")),
        ("Total RDUs", plan.get("rdus_total")),
        ("Available RDUs", plan.get("rdus_available")),
        ("Widest free block in a single node", plan.get("widest_free")),
    ]
    table = [(row.get("instance"), row.get("node"), "") for row in plan.get("placed") or []]
    table += [(row.get("instance"), "-", row.get("sentence")) for row in plan.get("waiting") or []]
    return f"{label_block('Endpoint Plan', rows)}\n{grid(PLAN_COLUMNS, table)}"


def change_text(plan: dict[str, Any]) -> str:
    """How an edit would be applied, then where what it opens would land."""
    rows = [
        ("How", plan.get("sentence")),
        ("Instances that go on", plan.get("kept")),
        ("Instances that begin", plan.get("opens")),
        ("Instances that end", plan.get("ends")),
    ]
    return f"{label_block('Change Plan', rows)}\n{plan_text(plan)}"
