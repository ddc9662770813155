"""Filling the hub: the shipped catalogue with its built-in runtimes, and generations."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model as AnyModel

from studio.audit.services import record
from studio.errors import Invalid
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.hub.rules import check_manifest, check_template
from studio.tenants.rules import STUDIO
from studio.unit import unit_of_work

Row = TypeVar("Row", bound=AnyModel)
LONGEST = 200  # characters of a value in the audit

GENERATIONS = ("SN40L", "SN30", "SN20", "SN10")

SERVE: dict[str, Any] = {
    "argv": [
        "{python}", "-m", "scheduler.agent.serve",
        # One word with its option: no path and no name can be read as an option of its own.
        "--model={gguf}", "--host={host}", "--port={port}", "--alias={name}", "--parallel={parallel}",
    ],
    "task": MLApp.Task.CHAT,
    "token_file_env": "STUDIO_INSTANCE_TOKEN_FILE",
    "health_path": "/health",
    "warmup_path": "/v1/completions",
    "metrics_path": "/metrics",
    "in_flight_metrics": ["llamacpp:requests_processing", "llamacpp:requests_deferred"],
    "start_seconds": 60,
    "stop_seconds": 3,
    "parallel": 4,
}  # fmt: skip
EMBED = SERVE | {
    "argv": [*SERVE["argv"], "--embedding"],
    "task": MLApp.Task.EMBEDDING,
    "warmup_path": "/v1/embeddings",
}
BUILT_IN = {"built-in": SERVE, "built-in embeddings": EMBED}
BUILT_IN_VERSIONS: dict[int, tuple[dict[str, str], str]] = {
    1: ({}, "llama.cpp server, one computing thread."),
    2: ({"STUDIO_SERVE_THREADS": "2"}, "Two computing threads."),
}


@unit_of_work
def import_catalogue(*, store: Path, now: datetime) -> None:
    """Make the hub's rows from `<store>/catalogue.json`. Repeatable: what is there already is brought up to date.

    Raises `Invalid` when the catalogue or a manifest is missing or malformed.
    """
    catalogue = _read_json(store / "catalogue.json")
    for rank, code in enumerate(GENERATIONS):
        Generation.objects.get_or_create(code=code, defaults={"rank": rank})
    _import_runtimes()
    for app in catalogue["apps"]:
        facts = {
            "description": app.get("description", ""),
            "composite": app.get("composite", False),
            "task": app.get("task", MLApp.Task.CHAT),
        }
        row, changes = _put(MLApp, {"name": app["name"]}, facts)
        _record("app", row.pk, row.name, changes)
    for model in catalogue["models"]:
        _import_model(store, model, catalogue["provider"], now)


def renew_catalogue(*, store: Path, now: datetime) -> None:
    """Bring what an earlier version of Studio imported up to date; nothing where nothing was imported."""
    if Runtime.objects.filter(name__in=BUILT_IN).exists():
        import_catalogue(store=store, now=now)


def _import_runtimes() -> None:
    for name, facts in BUILT_IN.items():
        check_template(facts["argv"], facts["parallel"])
        runtime, changes = _put(Runtime, {"name": name}, facts)
        for number, (variables, notes) in BUILT_IN_VERSIONS.items():
            told = {"env": variables, "notes": notes}
            _, changed = _put(RuntimeVersion, {"runtime": runtime, "number": number}, told)
            changes |= {f"version {number}": changed} if changed else {}
        _record("runtime", runtime.pk, runtime.name, changes)


def _import_model(store: Path, entry: dict[str, Any], provider: str, now: datetime) -> None:
    card = store / entry["slug"] / "card.md"
    facts = {
        "app": MLApp.objects.get(name=entry["app"]),
        "aliases": entry.get("aliases", []),
        "description": entry["description"],
        "card": card.read_text() if card.exists() else "",
        "architecture": entry.get("architecture", ""),
        "field_of_application": entry.get("field_of_application", "language"),
        "publisher": provider,
        "dataset": entry.get("dataset", {}),
        "is_base": entry.get("base", False),
    }
    model, changes = _put(Model, {"name": entry["name"], "tenant": None}, facts)
    for version in entry["versions"]:
        if changed := _import_version(store, model, version, now):
            changes[f"version {version['number']}"] = changed
    for rank, option in enumerate(entry.get("deploy", [])):
        told = {"rank": rank, "rdus": option.get("rdus", 1), "params": option.get("params", [])}
        _, changed = _put(DeployOption, {"model": model, "generation_id": option["generation"]}, told)
        changes |= {f"on {option['generation']}": changed} if changed else {}
    _record("model", model.pk, model.name, changes)


def _import_version(store: Path, model: Model, entry: dict[str, Any], now: datetime) -> dict[str, object]:
    manifest = _read_json(store / entry["path"] / "manifest.json")["files"]
    check_manifest(manifest)
    facts = {
        "path": entry["path"],
        "manifest": manifest,
        "steps": entry.get("steps", 0),
        "validation_loss": entry.get("validation_loss"),
        "validation_accuracy": entry.get("validation_accuracy"),
        "context_length": entry.get("context_length", 512),
        "notes": entry.get("notes", ""),
    }
    return _put(ModelVersion, {"model": model, "number": entry["number"]}, facts, created_at=now)[1]


def _put(
    kind: type[Row], key: dict[str, Any], facts: dict[str, Any], **at_first: Any
) -> tuple[Row, dict[str, object]]:
    """The row of this key with these facts, and what that changed in it: field → [old, new]."""
    row = kind._default_manager.filter(**key).first()
    old = {name: getattr(row, name) if row else None for name in facts}
    changed = {name: value for name, value in facts.items() if row is None or old[name] != value}
    if row is None:
        row = kind._default_manager.create(**key, **facts, **at_first)
    elif changed:
        kind._default_manager.filter(pk=row.pk).update(**changed)
        row.refresh_from_db()
    return row, {name: [_brief(old[name]), _brief(value)] for name, value in changed.items()}


def _brief(value: object) -> object:
    """As the audit keeps it: what is long is named by its beginning, as a card or a list of files."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _record(thing: str, pk: UUID, name: str, changes: dict[str, object]) -> None:
    if changes:
        record(STUDIO, "import", thing, pk, name, tenant=None, role="platform", changes=changes)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Invalid(f"{path.name} of {path.parent.name} cannot be read: {error}") from None
