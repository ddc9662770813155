"""The agent as a Celery worker without Django: its queue carries one nudge, its own thread does the work.

The thread belongs to a step of the *worker*: a step of the consumer, or a timer of it, stands still while
the broker is away. The nudge says only "look at your register"; that the agent does by itself, too.
"""

import logging
import os
import sys
import threading
from typing import Any

from celery import Celery, bootsteps

from scheduler.agent import settings as settings_module
from scheduler.agent.loop import Agent
from scheduler.agent.post import Post
from scheduler.agent.settings import Settings
from scheduler.agent.state import InUse, StateFolder
from studio import env

TAKE_REPORTS = "scheduler.tasks.take_reports"
JOIN_SECONDS = 5.0
BROKER_SECONDS = 1.0
# Longer than the second that a blocking read of the queue takes by itself; a frozen broker delays the end so long.
CONSUMER_SECONDS = 3.0

logger = logging.getLogger(__name__)

app = Celery("scheduler.agent", fixups=[], set_as_current=False)
app.conf.update(
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "socket_timeout": CONSUMER_SECONDS,
        "socket_connect_timeout": BROKER_SECONDS,
        "socket_keepalive": True,
    },
    task_ignore_result=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
)

app.agent = None


@app.task(name="scheduler.agent.wake", ignore_result=True)  # type: ignore[untyped-decorator]
def wake() -> None:
    if app.agent:
        app.agent.wake()


class LoopStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Runs the agent's loop for as long as the worker lives. Its end is the worker's end."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.agent: Agent = worker.app.agent
        self.thread = threading.Thread(target=self._run, name="agent", daemon=True)

    def start(self, worker: Any) -> None:
        self.thread.start()

    def stop(self, worker: Any) -> None:
        self.agent.stop()
        self.thread.join(JOIN_SECONDS)

    terminate = stop

    def _run(self) -> None:
        try:
            self.agent.run()
        except BaseException:
            # A worker without its loop would look alive and do nothing: better a restart.
            logger.exception("The agent's loop ended.")
            os._exit(1)


app.steps["worker"].add(LoopStep)


def nudger(url: str) -> Celery:
    """Sends by name, gives up within a second, retries nothing."""
    quick = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS, "max_retries": 0}
    sender = Celery("scheduler.agent.nudge", broker=url, fixups=[], set_as_current=False)
    sender.conf.update(broker_transport_options=quick, task_ignore_result=True)
    return sender


def main() -> int:
    """Raises `env.BadSetting` for an environment nobody can work with."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    told: Settings = settings_module.from_environment()
    try:
        state = StateFolder(told.folder)
    except InUse:
        raise env.BadSetting(f"Another agent already works in {told.folder}.") from None
    url = env.broker_url()
    sender = nudger(url)

    def nudge() -> None:
        sender.send_task(TAKE_REPORTS, queue="reports", expires=10, retry=False, ignore_result=True)

    app.agent = Agent(told, state, Post(told, env.redis_url(), nudge))
    queue = f"node.{told.node}"
    app.conf.update(broker_url=url, task_default_queue=queue)
    worker = app.Worker(
        hostname=f"agent@{told.node}",
        pool="threads",
        concurrency=1,
        queues=[queue],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel="WARNING",
        redirect_stdouts=False,
    )
    worker.start()
    return int(worker.exitcode or 0)
