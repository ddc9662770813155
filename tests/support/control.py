"""The whole of control in one process and one transaction, with a clock and nudges in the test's hand.

Nothing here decides anything: `Control` calls what tasks and sweeps call, when the test says so. What a commit
would do is done by `commit()`; nudges are kept until they are delivered, or lost.
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock
from uuid import UUID

import redis
from django.db import connection

from endpoints import rollouts, routing
from scheduler import driver, listening, placing
from scheduler.rules import ARROWS
from studio import enqueue
from tests.support.fleet import Agent

TASKS: dict[str, Callable[["Control", str], object]] = {
    "scheduler.tasks.place": lambda control, subject: placing.place_pending(subject),
    "scheduler.tasks.drive_node": lambda control, subject: driver.drive_node(subject),
    "endpoints.tasks.converge": lambda control, subject: rollouts.converge(UUID(subject), now=control.now),
}


class Control:
    def __init__(self, broker: redis.Redis) -> None:
        self.broker = broker
        self.now = datetime.now(UTC)
        self.nudges: list[tuple[str, str]] = []
        self._patches = ExitStack()

    def __enter__(self) -> "Control":
        clock = SimpleNamespace(now=lambda zone: self.now)
        for module in (driver, placing):
            self._patches.enter_context(mock.patch.object(module, "datetime", clock))
        self._patches.enter_context(mock.patch.object(enqueue, "nudge", self._nudge))
        self._patches.enter_context(mock.patch.object(enqueue, "wake", return_value=True))
        # In the platform a report that cannot be taken is logged; here it is a failure.
        self._patches.enter_context(mock.patch.object(driver, "_take_safely", driver.take_report))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def _nudge(self, task: str, subject: str, *, queue: str) -> bool:
        if (task, subject) not in self.nudges:
            self.nudges.append((task, subject))
        return True

    # --- what happens ---------------------------------------------------------------------------------------

    def commit(self) -> None:
        """What waited for the commit."""
        waiting, connection.run_on_commit = connection.run_on_commit, []
        for _, act, _ in waiting:
            act()

    def deliver(self, number: int | None = None) -> None:
        """Run one nudged task, or (None) all of them until none is left."""
        self.commit()
        if number is not None and self.nudges:
            self._run(*self.nudges.pop(number % len(self.nudges)))
        while number is None and self.nudges:
            self._run(*self.nudges.pop(0))

    def lose_nudges(self) -> None:
        self.commit()
        self.nudges.clear()

    def take(self, *agents: Agent) -> int:
        taken = driver.take_reports([agent.node for agent in agents])
        self.commit()
        return taken

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sweep(self, seconds: float = listening.LISTEN_EVERY) -> None:
        """Time passes, and every sweep runs."""
        self.pass_time(seconds)
        for sweep in (listening.listen, listening.mend, lambda now: rollouts.settle(now=now)):
            sweep(self.now)
            self.commit()

    def look(self) -> None:
        routing.look()
        self.commit()

    def _run(self, task: str, subject: str) -> None:
        TASKS[task](self, subject)
        self.commit()


# --- illegal arrows -----------------------------------------------------------------------------------------

LEGAL = sorted(f"{before}>{after}" for before, to in ARROWS.items() for after in to)
ARROW_TRIGGER = {
    "sqlite": """
        CREATE TRIGGER legal_arrows BEFORE UPDATE OF state ON scheduler_instance
        WHEN OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN ({legal})
        BEGIN SELECT RAISE(ABORT, 'illegal arrow'); END""",
    "postgresql": """
        CREATE FUNCTION refuse_arrow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'illegal arrow % > %', OLD.state, NEW.state; END $$;
        CREATE TRIGGER legal_arrows BEFORE UPDATE OF state ON scheduler_instance FOR EACH ROW
        WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN ({legal}))
        EXECUTE FUNCTION refuse_arrow()""",
}


@contextmanager
def arrows_checked():
    """The database itself refuses an arrow that the table does not have; for the transaction around it."""
    legal = ", ".join(f"'{arrow}'" for arrow in LEGAL)
    with connection.cursor() as cursor:
        cursor.execute(ARROW_TRIGGER[connection.vendor].format(legal=legal))
    yield
