"""A row that stands for repeats does not count them, so that nothing of any row is written a second time."""

from django.db import migrations, models

FIXED = (
    "id", "at", "tenant_id", "actor_id", "actor_name", "role", "address", "request_id", "verb", "thing_type", "thing_id",
    "thing_name", "changes", "concerns", "open_until", "mark",
)
OLD, NEW = (", ".join(f"{row}.{name}" for name in FIXED) for row in ("OLD", "NEW"))
REFUSAL = "audit rows are append-only"
POSTGRES = f"""
CREATE OR REPLACE FUNCTION audit_event_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF EXISTS (
      SELECT 1 FROM audit_chain
      WHERE name = coalesce(replace(OLD.tenant_id::text, '-', ''), '') AND kept_from > OLD.position
    ) THEN
      RETURN OLD;
    END IF;
  ELSIF OLD.position IS NULL AND ({OLD}) IS NOT DISTINCT FROM ({NEW}) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation';
END $$;
"""  # noqa: S608 names of ours
SQLITE = (
    "DROP TRIGGER audit_event_is_not_changed",
    f"""
CREATE TRIGGER audit_event_is_not_changed BEFORE UPDATE ON audit_event
WHEN NOT (OLD.position IS NULL AND ({OLD}) IS ({NEW}))
BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
""",
)


def guard(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in [POSTGRES] if vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0005_concerns_whom"),
    ]

    operations = [
        migrations.RunPython(guard, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("open_until__isnull", False)),
                fields=["thing_id", "actor_id", "-open_until"],
                name="event_for_repeats",
            ),
        ),
    ]
