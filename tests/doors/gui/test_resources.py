"""Resources: who sees which name, states, filters, the queue, and the operators' boxes."""

import re
from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduler.models import Instance, Node
from scheduler.services import add_node
from studio import keyring
from studio.tenants.rules import STUDIO
from tests.browser.world import NOW
from tests.doors.gui.test_frame import ELSEWHERE, INLINE
from tests.support.machines import theirs, whole_fleet

DEEDS = ["cordon", "uncordon", "drain", "undrain", "remove"]
TYPED = {"name": "sn40l-9", "generation": "SN40L", "width": "8", "address": ""}


def node(name: str = "sn40l-1") -> Node:
    return Node.objects.get(name=name)


# --- who sees what ------------------------------------------------------------------------------------------


def test_every_node_with_its_state_in_a_word_and_who_holds_it(owen, world):
    whole_fleet(world)
    text = owen.get("resources").text
    assert "sn40l-1 virtual RDUs of sn40l-1" in text
    assert "0–3 hello instance" in text
    for word in ("Ready", "Cordoned", "Draining", "Suspect", "Lost", "Joining"):
        assert re.search(rf"SN\S+ {word} ", text), word
    assert "will be cordoned when it answers" in text
    assert "8 / 8" in text


def test_a_name_is_told_only_to_who_may_see_it(person, world):
    whole_fleet(world)
    seen = {name: person(name).get("resources").html for name in ("owen", "mila", "oskar", "olga", "otto")}
    assert {name: ("hello" in html, "secret" in html) for name, html in seen.items()} == {
        "owen": (True, False),
        "mila": (False, False),
        "oskar": (False, True),
        "olga": (True, True),
        "otto": (False, False),
    }
    assert "this tenant, Live" in seen["mila"]
    assert "another tenant, Live" in seen["oskar"]


def test_rdus_of_a_lost_node_and_of_draining_instances_are_marked(owen, world):
    whole_fleet(world)
    html = owen.get("resources", state="lost").html
    assert 'data-state="lost"' in html
    assert "held by nobody; the node is lost" in html
    Instance.objects.filter(node=node()).update(state="draining")
    assert 'data-state="draining"' in owen.get("resources").html


def test_only_who_manages_nodes_is_offered_it(person, world):
    shown = {
        name: "Add node" in person(name).get("resources").text
        for name in ("olga", "otto", "tina", "owen", "mila", "oskar")
    }
    assert shown == {
        "olga": True,
        "otto": True,
        "tina": False,
        "owen": False,
        "mila": False,
        "oskar": False,
    }
    assert "Actions for sn40l-1" not in person("owen").get("resources").html
    Node.objects.filter(name="sn40l-1").update(machine="rack-1", refusal="It may not.", intruder="agent-2")
    assert "rack-1" in person("otto").get("resources").text
    assert "It may not. A second agent claims this name" in person("otto").get("resources").text
    assert "rack-1" not in person("owen").get("resources").text


def test_no_node_yet_says_what_comes_next(person, world):
    Node.objects.update(state="removed")
    assert "Add the first machine" in person("olga").get("resources").text
    text = person("owen").get("resources").text
    assert "No node yet An operator adds machines" in text
    assert "Nothing waits" in text


# --- filters and pages --------------------------------------------------------------------------------------


def test_generation_and_state_stand_in_the_address(owen, world):
    whole_fleet(world)
    page = owen.get("resources", generation="SN30", state="draining")
    assert re.findall(r"RDUs of (\S+)", page.text) == ["sn30-1"]
    assert 'href="/resources/?generation=SN40L&amp;state=draining"' in page.html
    assert "Draining 1" in page.text
    assert page.html.count('aria-current="true"') == 2
    assert "No such node" in owen.get("resources", generation="SN30", state="lost").text


def test_where_others_wait_nothing_waits_for_this_generation_alone(owen, world):
    world.placed("wide", rdus=16)
    assert "wide" in owen.get("resources", generation="SN40L").text
    text = owen.get("resources", generation="SN30").text
    assert "Nothing waits for SN30 Every instance that is wanted on SN30 has its RDUs." in text


def test_what_there_is_not_filters_nothing(owen, world):
    page = owen.get("resources", generation="SN99", state="broken")
    assert "sn40l-1" in page.text
    assert "sn30-1" in page.text


def test_more_than_a_page_keeps_the_filter(owen, world):
    for number in range(60):
        add_node(actor=STUDIO, name=f"x{number:02}", generation="SN30", width=1, now=NOW)
    first = owen.get("resources", state="joining", generation="SN30")
    assert ("x24" in first.text, "x25" in first.text) == (True, False)
    address = re.search(r'href="([^"]*cursor=[^"]*)"', first.html)[1].replace("&amp;", "&")
    assert "state=joining" in address
    second = owen.get(address)
    assert ("x24" in second.text, "x25" in second.text) == (False, True)
    assert "First page" in second.text
    assert owen.get("resources", cursor="nonsense").status == 400


def test_more_nodes_and_holders_take_no_more_queries(owen, world):
    def queries() -> int:
        cache.clear()  # what is counted once in two seconds
        with CaptureQueriesContext(connection) as captured:
            owen.get("resources")
        return len(captured)

    world.live("first")
    theirs(world)
    few = queries()
    for number in range(20):
        add_node(actor=STUDIO, name=f"x{number:02}", generation="SN30", width=8, now=NOW)
    Node.objects.update(state="ready")
    for number in range(4):
        world.live(f"more-{number}", arch="SN30")
        theirs(world, f"more-{number}")
    assert queries() == few > 5


def test_it_refreshes_itself_alone(owen, world):
    part = owen.get("resources", part=True)
    assert "sn40l-1" in part.text
    assert "<html" not in part.html


# --- the queue ----------------------------------------------------------------------------------------------


def test_the_queue_says_position_and_reason_and_no_strangers_name(person, world):
    whole_fleet(world)
    text = person("owen").get("resources").text.partition("Waiting #")[2]
    assert "1 and 2 samba 2 instances 16 in a node" in text
    assert "No SN40L node is wide enough: it needs 16 RDUs in a single node, the widest has 8." in text
    assert "3 another tenant 8 in a node" in text
    assert "hungry" not in text
    theirs_too = person("oskar").get("resources").text.partition("Waiting #")[2]
    assert "another tenant 2 instances" in theirs_too
    assert "hungry" in theirs_too


def test_numbers_of_another_tenants_quota_are_not_told(person, world):
    theirs(world)
    Instance.objects.update(
        reason={"code": "quota", "rdus": 2, "position": 1, "quota_used": 77, "quota_maximum": 78}
    )
    assert "Its tenant's quota is reached." in person("owen").get("resources").text
    assert "77" not in person("owen").get("resources").text
    assert "77 of 78 SN40L RDUs" in person("oskar").get("resources").text


def test_a_long_queue_is_cut_and_counted(owen, world):
    world.endpoint("many", instances=30)
    text = owen.get("resources").text
    assert "many 20 instances" in text
    assert "and 10 more instances behind these" in text


# --- adding a node ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tina", "owen", "mila", "oskar"])
def test_who_may_not_manage_nodes_is_refused_everywhere(person, world, name):
    someone = person(name)
    for answer in (someone.get("node-new"), someone.post("node-new", **TYPED)):
        assert (answer.status, "Only an operator or an OrgAdmin can manage nodes." in answer.text) == (
            403,
            True,
        )
    for deed in DEEDS:
        for there in ("sn40l-1", "nowhere"):
            assert someone.get(f"node-{deed}", there).status == 403
            assert someone.post(f"node-{deed}", there).status == 403
    assert Node.objects.count() == 3
    assert node().intent == "ready"


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", {"name": ""}, "required"),
        ("name", {"name": "two words"}, "no spaces"),
        ("name", {"name": "-x"}, "begins with a letter or a digit"),
        ("name", {"name": "SN40L-1"}, "This name is taken."),
        ("width", {"width": "65"}, "from 1 to 64"),
        ("width", {"width": "eight"}, "Enter a whole number."),
        ("generation", {"generation": "TPU"}, "not one of the available choices"),
        ("address", {"address": "http://node"}, "without port and scheme"),
    ],
)
def test_a_fault_stands_at_its_field_and_what_was_typed_stays(person, world, field, typed, sentence):
    page = person("otto").post("node-new", part=True, **TYPED | {"address": "10.0.0.4"} | typed)
    assert sentence in page.fault(field)
    assert page.value("width") == typed.get("width", "8")
    assert page.value("address") == typed.get("address", "10.0.0.4")
    assert "<html" not in page.html
    assert Node.objects.count() == 3


@pytest.mark.parametrize("part", [True, False], ids=["in the dialog", "as a page"])
def test_the_command_and_the_token_are_shown_this_once(person, world, part):
    otto = person("otto")
    page = otto.post("node-new", part=part, **TYPED | {"address": "10.0.0.4", "virtual": "on"})
    made = node("sn40l-9")
    token = keyring.open_value(made.sealed_token, "join")
    assert (made.virtual, made.address, made.width) == (True, "10.0.0.4", 8)
    command = re.search(r'id="join-command">([^<]*)<', page.html)[1]
    assert "STUDIO_NODE=sn40l-9 " in command
    assert "STUDIO_NODE_TOKEN_FILE=- STUDIO_NODE_ADDRESS=10.0.0.4 " in command
    assert command.endswith("python -m scheduler.agent")
    assert token not in command
    assert page.html.count(token) == 2  # to read and to copy
    assert ("nodes-changed" in page.events) is True
    assert "no-store" in page.headers["Cache-Control"]
    for later in (otto.get("resources"), otto.get("node-new"), otto.get("node-remove", "sn40l-9")):
        assert token not in later.html
    assert "sn40l-9" in otto.get("resources").text


# --- what is done to nodes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "before", "after"),
    [
        ("cordon", "ready", "cordoned"),
        ("uncordon", "cordoned", "ready"),
        ("drain", "ready", "draining"),
        ("undrain", "draining", "ready"),
        ("remove", "ready", "removed"),
    ],
)
@pytest.mark.parametrize("part", [True, False], ids=["in the dialog", "as a page"])
def test_otto_closes_empties_and_removes(person, world, deed, before, after, part):
    Node.objects.filter(name="sn40l-1").update(state=before, intent=before)
    otto, there = person("otto"), node()
    assert f"{deed.capitalize()} node" in otto.get(f"node-{deed}", "sn40l-1", part=part).text
    answer = otto.post(f"node-{deed}", "sn40l-1", part=part)
    there.refresh_from_db()
    assert there.intent == after
    if part:
        assert {"dialog-done", "nodes-changed"} <= set(answer.events)
        assert "Node sn40l-1" in answer.events["notice"]["text"]
    else:
        assert answer.location == "/resources/"


def test_a_menu_offers_what_the_node_is_not_yet(person, world):
    Node.objects.filter(name="sn40l-2").update(intent="cordoned", state="cordoned")
    Node.objects.filter(name="sn30-1").update(intent="draining", state="draining")
    html = person("otto").get("resources").html
    offered = {
        name: re.findall(rf'href="/resources/nodes/{name}/(\w+)/"', html)
        for name in ("sn40l-1", "sn40l-2", "sn30-1")
    }
    assert offered == {
        "sn40l-1": ["cordon", "drain", "remove"],
        "sn40l-2": ["uncordon", "drain", "remove"],
        "sn30-1": ["undrain", "remove"],
    }


def test_a_node_that_is_not_there(person, world):
    for deed in DEEDS:
        assert person("otto").get(f"node-{deed}", "nowhere").status == 404
        assert person("otto").post(f"node-{deed}", "nowhere").status == 404


def test_drain_says_what_moves_and_what_would_wait(person, world):
    world.live("hello", rdus=4)
    theirs(world)
    text = person("olga").get("node-drain", "sn40l-2").text
    assert "No instance has to move." in text
    text = person("olga").get("node-drain", "sn40l-1").text
    assert "hello instance 1 to sn40l-2" in text
    assert "The instance moves at once." in text
    Node.objects.filter(name="sn40l-2").update(state="lost")
    text = person("otto").get("node-drain", "sn40l-1").text
    assert "Nothing can move now. 1 stays here and goes on until RDUs are free elsewhere." in text
    assert "this tenant No SN40L node takes instances now" in text
    assert "hello" not in text


def test_remove_spells_out_what_is_promised_and_lists_what_ends(person, world):
    world.live("hello", rdus=4)
    page = person("olga").get("node-remove", "sn40l-1", part=True)
    assert "you give your word that the machine is dead or empty" in page.text
    assert "1 instance on it is over" in page.text
    assert "hello instance 1 Live, RDUs 0–3" in page.text
    assert "Nothing runs on it." in person("olga").get("node-remove", "sn40l-2").text


def test_a_node_that_answers_and_runs_something_is_not_removed(person, world):
    world.live("hello", rdus=4)
    Node.objects.update(heard_at=datetime.now(UTC))
    otto = person("otto")
    assert "it is not dead: drain it first" in otto.get("node-remove", "sn40l-1").text
    page = otto.post("node-remove", "sn40l-1", part=True)
    assert (page.status, "sn40l-1 answers and still runs 1 instances; drain it first." in page.text) == (
        200,
        True,
    )
    assert node().state == "ready"


def test_nothing_is_inline_ids_are_used_once_and_every_field_has_a_label(person, world):
    whole_fleet(world)
    otto = person("otto")
    pages = [otto.get(f"node-{deed}", "sn40l-1") for deed in DEEDS]
    pages += [otto.get("resources"), otto.get("node-new"), otto.post("node-new", **TYPED)]
    for page in pages:
        assert page.status == 200
        assert INLINE.findall(page.html) == []
        assert ELSEWHERE.findall(page.html) == []
        ids = re.findall(r'\sid="([^"]+)"', page.html)
        assert sorted(ids) == sorted(set(ids))
        fields = re.findall(r'<(?:input|select|textarea)\b[^>]*\sid="([^"]+)"', page.html)
        assert set(fields) <= set(re.findall(r'<label for="([^"]+)"', page.html))


# --- nodes of a tenant ----------------------------------------------------------------------------------------


def test_a_node_is_kept_for_a_tenant_and_shared_again(person, world):
    olga, research = person("olga"), world.tenants["research"]
    done = olga.post("node-assign", "sn40l-1", part=True, tenant=str(research.pk))
    assert done.events["notice"]["text"] == "Node sn40l-1 is kept for research."
    assert olga.get("node-assign", "sn40l-1").value("tenant") == "research"
    assert "kept for research" in person("oskar").get("resources").text
    text = person("owen").get("resources").text
    assert ("kept for another tenant" in text, "research" in text) == (True, False)
    assert "8 of 16 free" in text, "theirs is not free for this tenant"
    olga.post("node-assign", "sn40l-1", tenant="")
    assert node().tenant is None


def test_only_org_admins_assign_nodes(person, world):
    for name in ("tina", "owen", "otto", "oskar"):
        assert person(name).post("node-assign", "sn40l-1", tenant="").status == 403
    assert "Assign" in person("olga").get("resources").text
    assert "Assign" not in person("otto").get("resources").text
