"""The control worker: `celery -A studio.celery worker`. What it sweeps is asked for by `studio.beat`.

Tasks are short, safe to run twice, and take ids. The worker's own connection may block (it waits for
work); what it sends goes through `studio.enqueue` with its short timeouts.
"""

import os
import sys

from celery import Celery
from celery.signals import task_prerun, worker_ready

from studio import env
from studio.beat import announce

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

app = Celery("studio", broker=env.broker_url())
app.conf.update(
    imports=["scheduler.tasks", "endpoints.tasks", "endpoints.usage.tasks", "studio.audit.tasks"],
    task_ignore_result=True,
    task_acks_late=False,  # a lost nudge is swept; a task redelivered twice would only cost
    task_default_queue="driving",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    # Connections stay open: closing SQLite's last one writes its whole log back, several times a second.
    CELERY_DB_REUSE_MAX=sys.maxsize,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "visibility_timeout": 120,
        "health_check_interval": 5,
    },
)


@task_prerun.connect
def _leave_broken_connections(**_: object) -> None:
    """After a database restart each thread's connection fails once; the next task begins a new one."""
    from django.db import connections  # noqa: PLC0415  after Django is set up

    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred and not connection.is_usable():
            connection.close()


@worker_ready.connect
def _start_threads(**_: object) -> None:
    from endpoints.routing import Publisher  # noqa: PLC0415  after Django is set up
    from endpoints.usage.services import UsageTaker  # noqa: PLC0415

    Publisher().start()
    UsageTaker().start()


worker_ready.connect(announce)
