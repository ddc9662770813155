"""One node of eight RDUs with its simulated agent, and an endpoint of owen placed on it."""

from scheduler import driver, placing
from scheduler.models import Instance, Node
from tests.support.fleet import agent_of


class Site:
    """`spec` is the endpoint's; two RDUs for an instance unless it says otherwise."""

    def __init__(self, cast, broker, **spec) -> None:
        self.cast = cast
        self.node = cast.node()
        self.agent = agent_of(broker, self.node)
        self.endpoint = cast.endpoint(**({"parameters": {"model_parallel_rdus": 2}} | spec))
        placing.place_pending("SN40L")

    def drive(self):
        assert driver.drive_node(self.node.name)
        return self.agent.hear()

    def take(self) -> int:
        return driver.take_reports([self.node.name])

    def say_and_take(self) -> int:
        self.agent.say()
        return self.take()

    def make_ready(self) -> None:
        self.drive()
        for _ in range(3):
            self.agent.progress()
        assert self.say_and_take() == 1

    @property
    def row(self) -> Instance:
        return Instance.objects.order_by("ordinal").first()

    def fresh(self) -> Node:
        self.node.refresh_from_db()
        return self.node
