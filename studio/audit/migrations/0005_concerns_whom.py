from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0004_not_emptied"),
    ]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="concerns",
            field=models.UUIDField(
                editable=False,
                help_text="Who hears of it, if somebody else did it: the thing's owner, or the user or tenant it was done to",
                null=True,
            ),
        ),
    ]
