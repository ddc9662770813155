"""Writing the audit: one row per change, in the transaction of the change."""

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
    changes: dict[str, object] | None = None,
    owner: UUID | None = None,
) -> Event:
    """`changes`: {field: [old, new]} or plain facts; never a key's value or a token. `owner`: who hears of it."""
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
        changes=changes or {},
        concerns=owner if owner != who.id else None,
    )
