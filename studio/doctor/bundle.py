"""The support bundle: what somebody elsewhere needs to understand a platform, and no secret of it.

Names of settings, never their values, but for those named here; rows as counts; reports without the words of model
servers; the last lines of each log, redacted. Each part stands alone: where the database is away, the others are there.
"""

import io
import json
import os
import platform
import sys
import tarfile
from collections.abc import Callable, Collection
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, F
from django.db.utils import Error

from endpoints import wire
from endpoints.models import Endpoint
from scheduler import registers
from scheduler.driver import read_report
from scheduler.models import Control, Demand, Instance, Node, Placement, Sweep
from scheduler.rules import NodeState
from studio import enqueue, env
from studio.doctor.looking import Look
from studio.doctor.redacting import redacted, uuids
from studio.doctor.rules import as_plain

LINES = 400  # of each log
LOG_BYTES = 200_000
OUR_PACKAGES = (
    "django",
    "celery",
    "redis",
    "psycopg",
    "aiohttp",
    "uvicorn",
    "msgspec",
    "cryptography",
    "structlog",
)

# Variables whose values say something and give nothing away; of all others only the names are told.
TOLD = (
    "STUDIO_PORT", "STUDIO_HOST", "STUDIO_DEMO", "STUDIO_LOG_LEVEL", "STUDIO_USAGE_DAYS", "STUDIO_SUSPECT_SECONDS",
    "STUDIO_LOST_SECONDS", "STUDIO_BODY_LIMIT_MB", "STUDIO_GATEWAY_QUEUE", "STUDIO_STOP_SECONDS",
    "STUDIO_DATABASE_POOL", "STUDIO_GATEWAY_LENIENT_LIMITS", "STUDIO_LIFELINE_SECONDS",
)  # fmt: skip

NODE_COLUMNS = (
    "id", "name", "generation_id", "width", "free", "virtual", "state", "state_since", "intent", "epoch",
    "wished_epoch", "applied_epoch", "report_number", "silent_seconds", "heard_at", "refusal", "created_at",
)  # fmt: skip


def write(path: Path, *, look: Look | None, now: datetime) -> None:
    """A tar.gz that only its owner may read. Raises `OSError`."""
    secrets = known_secrets()
    with open(path, "wb", opener=_private) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        found = (
            {"findings": as_plain(look.findings), "not_looked_at": look.unlooked}
            if look
            else "could not look"
        )
        for name, part in [*((name, _made(make)) for name, make in PARTS.items()), ("findings", found)]:
            text = json.dumps(part, default=str)
            clean = _cleaner(text, secrets)
            body = json.dumps(_each(json.loads(text), clean), indent=2, ensure_ascii=False)
            _add(archive, f"{name}.json", body, now)
        for log in sorted((env.data_dir() / "logs").glob("*.log")):
            text = _tail(log)
            _add(archive, f"logs/{log.name}", _cleaner(text, secrets)(text), now)


def known_secrets() -> set[str]:
    """The platform's own, from its variables and files, and the passwords in its addresses and of its first run."""
    found = {part for name in env.SECRETS for part in _of_secret(name).split(",")}
    found |= {str(settings.DATABASES["default"].get("PASSWORD") or "")}
    found |= _strings(_first_run())
    return {each for each in found if len(each) >= 6}


def _of_secret(name: str) -> str:
    try:
        return env.secret(name).reveal()
    except env.BadSetting:
        return ""


def _first_run() -> Any:
    try:
        told = json.loads((env.data_dir() / "first-run.json").read_text())
    except (OSError, ValueError):
        return {}
    return [
        value
        for person in dict(told.get("users", {})).values()
        for name, value in person.items()
        if name in ("password", "platform_key")
    ]


def _strings(value: Any) -> set[str]:
    return {each for each in value if isinstance(each, str)}


# ----- parts ----------------------------------------------------------------------------------------------


def _versions() -> Any:
    return {
        "python": sys.version,
        "system": platform.platform(),
        "studio": _version("studio"),
        "packages": {name: _version(name) for name in OUR_PACKAGES},
        "database": f"{connection.vendor} {_database_version()}",
        "broker": _broker_info(),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _database_version() -> str:
    connection.ensure_connection()
    return ".".join(str(part) for part in connection.get_database_version())


def _broker_info() -> Any:
    info: Any = enqueue.broker().info()
    names = (
        "redis_version",
        "valkey_version",
        "uptime_in_seconds",
        "used_memory",
        "connected_clients",
        "aof_enabled",
    )
    return {name: info.get(name) for name in names}


def _settings() -> Any:
    ours = sorted(name for name in os.environ if name.startswith("STUDIO_"))
    return {
        "variables": {name: os.environ[name] if name in TOLD else "set" for name in ours},
        "https": settings.SECURE,
        "debug": settings.DEBUG,
        "apps": settings.INSTALLED_APPS,
        "middleware": settings.MIDDLEWARE,
    }


def _counts() -> Any:
    instances = Instance.objects.order_by().values_list("generation_id", "state").annotate(Count("pk"))
    rows = {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model.__module__.startswith(("studio", "endpoints", "apikeys", "scheduler"))
    }
    return {
        "instances": {f"{generation} {state}": many for generation, state, many in instances},
        "endpoints": _by(Endpoint.objects, "desired"),
        "nodes": _by(Node.objects, "state"),
        "waiting": _by(Instance.objects.filter(state="awaiting"), "reason__code"),
        "rows": rows,
    }


def _by(rows: Any, field: str) -> dict[str, int]:
    return {str(word): many for word, many in rows.order_by().values_list(field).annotate(Count("pk"))}


def _control() -> Any:
    return {
        "sweeps": dict(Sweep.objects.values_list("name", "last")),
        "control": list(Control.objects.values("incarnation", "listened_at", "resumed_at")),
        "demand": dict(Demand.objects.values_list("pk", "count")),
        "placement": list(Placement.objects.values("generation_id", "planned", "fence", "held_until")),
    }


def _nodes() -> Any:
    return list(Node.objects.exclude(state=NodeState.REMOVED).order_by("name").values(*NODE_COLUMNS))


def _reports() -> Any:
    """What each node said last, but for the words of its model servers."""
    nodes = {node.name: node for node in Node.objects.exclude(state=NodeState.REMOVED)}
    bodies = registers.get_reports(enqueue.broker(), sorted(nodes))
    said = {name: read_report(nodes[name], body) for name, (_, body) in bodies.items()}
    return {
        name: {
            "epoch": report.epoch, "incarnation": report.incarnation, "boot": report.boot, "seq": report.seq,
            "foreign": report.foreign,
            "instances": [
                {"id": seen.id, "attempt": seen.attempt, "state": seen.state, "error": seen.error,
                 "exit_code": seen.exit_code, "in_flight": seen.in_flight}
                for seen in report.instances
            ],
        } if report else "not readable"
        for name, report in said.items()
    }  # fmt: skip


def _routes() -> Any:
    broker: Any = enqueue.broker()
    behind = Endpoint.objects.filter(route_version__gt=F("published_version"))
    return {
        "endpoints": Endpoint.objects.count(),
        "in the broker": broker.hlen(wire.ROUTES),
        "changes": (broker.get(wire.CHANGES) or b"").decode(),
        "complete": broker.exists(wire.MARKER) == 1,
        "unpublished": [str(pk) for pk in behind.values_list("pk", flat=True)[:100]],
    }


def _migrations() -> Any:
    return sorted(f"{app} {name}" for app, name in MigrationRecorder(connection).applied_migrations())


PARTS: dict[str, Callable[[], Any]] = {
    "versions": _versions,
    "settings": _settings,
    "counts": _counts,
    "control": _control,
    "nodes": _nodes,
    "reports": _reports,
    "routes": _routes,
    "migrations": _migrations,
}


# ----- the archive ----------------------------------------------------------------------------------------


def _made(make: Callable[[], Any]) -> Any:
    """The part, or the kind of error that kept it away; a driver's words may hold an address."""
    try:
        return make()
    except (Error, redis.RedisError, OSError) as error:
        return f"not there: {type(error).__name__}"


def _cleaner(text: str, secrets: Collection[str]) -> Callable[[str], str]:
    """Takes the secrets out of this text, or of any piece of it."""
    ids = _ids_among(uuids(text))
    return lambda piece: redacted(piece, secrets=secrets, is_id=lambda word: word.lower() in ids)


def _each(value: Any, clean: Callable[[str], str]) -> Any:
    """Text by text: a number under the word "key" is no key, and what is left is JSON as before."""
    if isinstance(value, dict):
        return {clean(name): _each(inside, clean) for name, inside in value.items()}
    if isinstance(value, list):
        return [_each(inside, clean) for inside in value]
    return clean(value) if isinstance(value, str) else value


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"not readable: {error.strerror}"
    return "\n".join(lines[-LINES:]) + "\n"


def _add(archive: tarfile.TarFile, name: str, text: str, now: datetime) -> None:
    body = text.encode()
    entry = tarfile.TarInfo(f"studio-bundle/{name}")
    entry.size, entry.mode, entry.mtime = len(body), 0o600, int(now.timestamp())
    archive.addfile(entry, io.BytesIO(body))


def _ids_among(words: set[str]) -> set[str]:
    """Which of these are ids of things that people at a desk talk about."""
    wanted = sorted(words)[:5000]
    try:
        found = [
            *Node.objects.filter(pk__in=wanted).values_list("pk", flat=True),
            *Instance.objects.filter(pk__in=wanted).values_list("pk", flat=True),
            *Endpoint.objects.filter(pk__in=wanted).values_list("pk", flat=True),
        ]
    except DatabaseError:
        return set()
    return {str(pk) for pk in found}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
