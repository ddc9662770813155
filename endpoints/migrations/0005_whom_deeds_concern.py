from django.db import migrations
from django.db.models import F, OuterRef, Subquery

DEEDS = ('edit', 'stop', 'restart', 'delete', 'restore', 'add key', 'edit key', 'limit key', 'revoke key')


def write_down_owners(apps, schema_editor):
    """What happened before: by whom the endpoint is owned now, where somebody else did it."""
    event, endpoint = apps.get_model('audit', 'Event'), apps.get_model('endpoints', 'Endpoint')
    owner = endpoint.objects.filter(pk=OuterRef('thing_id')).values('owner_id')[:1]
    deeds = event.objects.filter(thing_type='endpoint', verb__in=DEEDS)
    by_others = deeds.annotate(theirs=Subquery(owner)).filter(theirs__isnull=False).exclude(actor_id=F('theirs'))
    for pk, theirs in list(by_others.values_list('pk', 'theirs')):
        event.objects.filter(pk=pk).update(concerns=theirs)


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0002_concerns'),
        ('endpoints', '0004_newest'),
    ]

    run_before = [('audit', '0003_append_only')]  # after which no row is changed any more

    operations = [
        migrations.RunPython(write_down_owners, migrations.RunPython.noop),
    ]
