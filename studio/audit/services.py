"""Writing the audit: one row per change, in the transaction of the change."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

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
) -> Event:
    """`changes`: {field: [old, new]} or plain facts; never a key's value or a token."""
    return Event.objects.create(
        tenant_id=tenant,
        actor_id=who.id,
        actor_name=who.name,
        role=role,
        address=who.address,
        request_id=who.request_id,
        verb=verb,
        thing_type=thing,
        thing_id=thing_id,
        thing_name=name,
        changes=dict(changes or {}),
    )
