"""The beat: `celery -A studio.beat beat`, which asks for the sweeps. It knows no Django and no database.

Any number may run: each sweep first takes its row, so asking too often costs next to nothing. A sweep
that nobody took in time is worth nothing any more, hence `expires`.
"""

import os

from celery import Celery
from celery.signals import beat_init

from studio import env


def _sweep(task: str, seconds: float, queue: str) -> dict[str, object]:
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": 2 * seconds}}


app = Celery("studio.beat", broker=env.broker_url(), fixups=[], set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_timeout": 2, "socket_connect_timeout": 2},
    beat_schedule={
        "watch": _sweep("scheduler.tasks.watch", 3.0, "reports"),
        "seal audit": _sweep("studio.audit.tasks.seal", 10.0, "driving"),
        "forget audit": _sweep("studio.audit.tasks.forget", 600.0, "driving"),
        "settle": _sweep("endpoints.tasks.settle", 10.0, "driving"),
        "forget deleted": _sweep("endpoints.tasks.forget_deleted", 600.0, "driving"),
        "forget usage": _sweep("endpoints.usage.tasks.forget", 600.0, "driving"),
    },
)


@beat_init.connect
def announce(**_: object) -> None:
    """The supervisor waits for this file, not for a sleep."""
    ready = env.text("STUDIO_READY_FILE")
    if ready:
        with open(ready, "w") as file:
            file.write(str(os.getpid()))
