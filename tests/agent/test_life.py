"""An instance's way through the agent, with real processes: create, drain, stop, fail."""

import os
import signal

from tests.agent.node import Node, ask, but, runtime, wished
from tests.support.waiting import eventually


def test_a_wished_instance_gets_ready_and_answers_with_its_token(node: Node):
    one = wished()
    node.start()
    node.wish(one)
    seen = node.until(one.id, "ready")
    said = ask(seen, one, "/fake")
    assert said["warm"] == 1
    assert said["environment"]["FAKE_DEVICES"] == "2,3"
    assert seen.pid in node.servers()
    assert node.report().epoch == 1
