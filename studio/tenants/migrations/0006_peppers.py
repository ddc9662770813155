from django.db import migrations, models

from studio import keyring, seal


def name_the_only_pepper(apps, schema_editor):
    """Where the ring has one pepper, all that stands was made with it; else it stays unnamed, and holds every pepper."""
    PlatformKey = apps.get_model("tenants", "PlatformKey")
    if PlatformKey.objects.exists() and len(keyring.key_peppers()) == 1:
        PlatformKey.objects.update(pepper=seal.fingerprint(keyring.key_pepper()))


class Migration(migrations.Migration):

    dependencies = [
        ("tenants", "0005_values_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="platformkey",
            name="pepper",
            field=models.CharField(blank=True, editable=False, max_length=12),
        ),
        migrations.RunPython(name_the_only_pepper, migrations.RunPython.noop),
    ]
