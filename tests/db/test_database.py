"""What the platform counts on from its database, on SQLite and on PostgreSQL."""

import pytest
from django.core.management import call_command
from django.db import connection, transaction


@pytest.mark.django_db(transaction=True)
def test_a_transaction_on_sqlite_takes_the_write_lock_at_its_begin():
    """A read that turns into a write is refused at once when another process wrote in between."""
    if connection.vendor != "sqlite":
        assert connection.vendor == "postgresql"
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert connection.transaction_mode == "IMMEDIATE"
    assert connection.settings_dict["OPTIONS"]["timeout"] == 20


def test_requests_are_not_wrapped_in_a_transaction():
    assert connection.settings_dict["ATOMIC_REQUESTS"] is False


def test_a_failed_row_does_not_poison_the_transaction_around_it():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE once (number integer PRIMARY KEY)")
        cursor.execute("INSERT INTO once VALUES (1)")
        with pytest.raises(Exception, match=r"(?i)unique"), transaction.atomic():
            cursor.execute("INSERT INTO once VALUES (1)")
        cursor.execute("SELECT count(*) FROM once")
        assert cursor.fetchone() == (1,)


def test_migrations_say_all_that_the_models_say():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
