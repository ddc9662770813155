"""Writing the audit: one row per change, in the transaction of the change."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from studio import keyring
from studio.audit import rules
from studio.audit.models import Event


class Who(Protocol):
    """What an audit row needs of an actor (`studio.tenants.rules.Actor`)."""

    @property
    def id(self) -> UUID | None: ...
    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def request_id(self) -> str: ...


def record(
    who: Who,
    verb: str,
    thing: str,
    thing_id: UUID,
    name: str,
    *,
    tenant: UUID | None,
    role: str,
    changes: Mapping[str, object] | None = None,
    owner: UUID | None = None,
    open_until: datetime | None = None,
) -> Event:
    """`changes`: {field: [old, new]} or plain facts; never a key's value or a token. `owner`: who hears of it, be it
    the owner, or the user or tenant that something was given to.

    `open_until`: until then it stands for what repeats it, too.
    """
    facts: dict[str, Any] = {
        "tenant_id": tenant,
        "actor_id": who.id,
        "actor_name": who.name,
        "role": role,
        "address": who.address,
        "request_id": who.request_id,
        "verb": verb,
        "thing_type": thing,
        "thing_id": thing_id,
        "thing_name": name,
        "changes": json.loads(json.dumps(changes or {})),  # as it will be read
        "concerns": owner if owner != who.id else None,
    }
    mark = rules.new_mark(keyring.audit_seal(), facts)
    return Event.objects.create(**facts, open_until=open_until, mark=mark)
