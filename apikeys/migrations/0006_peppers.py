from django.db import migrations, models

from studio import keyring, seal


def name_the_only_pepper(apps, schema_editor):
    """Where the ring has one pepper, all that stands was made with it; else it stays unnamed, and holds every pepper."""
    ApiKey = apps.get_model("apikeys", "ApiKey")
    if ApiKey.objects.exists() and len(keyring.key_peppers()) == 1:
        name = seal.fingerprint(keyring.key_pepper())
        ApiKey.objects.update(pepper=name)
        ApiKey.objects.exclude(old_digest=None).update(old_pepper=name)


class Migration(migrations.Migration):

    dependencies = [
        ("apikeys", "0005_rotation"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="pepper",
            field=models.CharField(blank=True, editable=False, max_length=12),
        ),
        migrations.AddField(
            model_name="apikey",
            name="old_pepper",
            field=models.CharField(blank=True, editable=False, max_length=12),
        ),
        migrations.RunPython(name_the_only_pepper, migrations.RunPython.noop),
    ]
