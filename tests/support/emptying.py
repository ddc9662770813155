"""Tables after a test that committed. Django empties each of them and makes every permission anew, which costs half a
second on PostgreSQL; most stand empty anyway, and no test of ours writes a permission.
"""

from django.db import connection, transaction
from django.test import TransactionTestCase

from tests.support.audits import unguarded

STAYS = {"django_migrations", "django_content_type", "auth_permission"}


def by_deleting() -> None:
    """From here on, for all tests."""
    TransactionTestCase._fixture_teardown = lambda self: _empty()


def _empty() -> None:
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - STAYS)
    # Whether anything points to what is gone is looked at in the end.
    with unguarded(), transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')
