from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# Of one connection to PostgreSQL: as many as all pages and operations have. Django has no setting for it.
MOST_PREPARED = 600


class StudioConfig(AppConfig):
    """Makes `studio` an app for its commands and its admin; its rows live in its parts."""

    name = "studio"

    def ready(self) -> None:
        connection_created.connect(_keep_statements, dispatch_uid="studio.keep_statements")


def _keep_statements(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor == "postgresql":
        connection.connection.prepared_max = MOST_PREPARED
