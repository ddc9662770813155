"""The walk of the labels: each word that the product document puts on a window stands on that window.

What belongs to a later step is named with that step; as soon as it is there, its line must lose the step's name.
"""

from datetime import UTC, datetime

import pytest

from apikeys.services import add_key, revoke_key
from endpoints import selectors
from endpoints.models import Endpoint
from scheduler.models import Node
from scheduler.services import cordon_node, drain_node
from studio.hub.models import DeployOption, MLApp, Model, ModelVersion
from studio.tenants.rules import STUDIO
from tests.doors.gui.labels import Labels

# (window, kind, the step that brings them or "", labels)
WALK = [
    # ----- the frame
    ("Dashboard", "control", "", "Studio|Dashboard|Models|Projects|Resources|Sign out|Django admin"),
    ("Dashboard", "heading", "", "Active tenant|Theme|Administration|Notices"),
    ("Dashboard", "named", "", "Breadcrumb|Main"),
    ("Dashboard", "control", "Playground", "Playground"),
    ("Dashboard", "control", "Monitoring", "Monitoring"),
    ("Users", "control", "", "Users|Tenant management"),
    ("Dashboard", "control", "", "Platform API key|Your account"),
    # ----- Your account
    ("Your account", "heading", "", "Your account|Sessions|Platform API key"),
    ("Your account", "control", "", "Generate API Key|Change password|Sign out everywhere|Sign out"),
    ("Your account", "sentence", "", "This session"),
    ("Generate API Key", "control", "", "Generate API Key|Cancel"),
    ("Generate API Key", "sentence", "", "Your old key stops working at once."),
    ("Audit", "control", "", "Audit|Export as JSON lines"),
    ("Audit", "heading", "", "Audit|What was done"),
    ("Audit", "field", "", "Person|Verb|Kind of thing|Thing|Tenant|From|To"),
    ("Audit", "column", "", "Time (UTC)|Who|What|Tenant|From|Details"),
    # ----- Dashboard
    ("Dashboard", "heading", "", "Live endpoints|RDUs|Waiting|Latest events"),
    ("Dashboard", "sentence", "", "this tenant|other tenants|free|out of use"),
    # ----- Projects and a project
    ("Projects", "heading", "", "Projects"),
    ("Projects", "column", "", "Name|Owner|Endpoints|Date of creation|Actions"),
    ("Projects", "control", "", "New project|View|Edit|Delete"),
    ("New project", "heading", "", "New project"),
    ("New project", "field", "", "Project name|Description"),
    ("Project", "heading", "", "Endpoints|Recently deleted"),
    ("Project", "heading", "Jobs", "Jobs"),
    ("Project", "control", "", "New endpoint|View|Edit|Stop|Restart|Delete|Restore"),
    ("Project", "column", "", "Name|Model|Instances|RDU Arch|Date of creation|Owner|Actions"),
    ("Project", "column", "Monitoring", "Monitoring"),
    ("Project", "control", "", "Share settings"),
    ("Project", "sentence", "", "Live|Setting Up|Awaiting RDU|Failed|Stopped"),
    # ----- Create endpoint
    ("Create endpoint", "heading", "", "Create endpoint"),
    ("Create endpoint", "field", "", "Endpoint name|Description|ML App|Select model|Version"),
    ("Create endpoint", "field", "", "Number of instances|RDU generation|model parallel rdus"),
    ("Create endpoint", "group", "", "My models|Shared models|SambaNova models"),
    ("Create endpoint", "entry", "", "Select from Model Hub|SN40L · recommended"),
    ("Create endpoint", "control", "", "Model Parameters|Add an endpoint|Cancel"),
    ("Create endpoint", "sentence", "", "in a single node for each instance|in total|available"),
    ("Create endpoint", "sentence", "", "Base models do not support inference and cannot be deployed for endpoints."),
    ("Create endpoint", "sentence", "", "It is recommended to use Base models for training and not inference."),
    ("Insufficient RDUs", "sentence", "", "Insufficient RDUs in a single node."),
    ("Insufficient RDUs", "sentence", "", "will be in Awaiting RDU status until"),
    ("Insufficient RDUs", "sentence", "", "available in a single node. Contact your administrator"),
    ("CoE", "sentence", "", "Due to the large number of checkpoints involved, a CoE endpoint can stay in the"),
    ("CoE", "entry", "", "SN40L · recommended"),
    ("CoE in Setting Up", "sentence", "", "Due to the large number of checkpoints involved, a CoE endpoint can stay"),
    ("Select from Model Hub", "heading", "", "Select from Model Hub"),
    ("Select from Model Hub", "field", "", "Field of application|ML APP|Architecture|Owner|Search"),
    ("Select from Model Hub", "control", "", "Use model|Back"),
    # ----- Models
    ("Models", "heading", "", "Models|Help"),
    ("Models", "field", "", "Field of application|ML APP|Architecture|Owner|Search"),
    ("Models", "control", "Download", "Download"),
    ("Model", "heading", "", "Details|Model card|RDU generations|Versions|Endpoints with this model"),
    ("Model", "heading", "Experts", "Experts"),
    ("Model", "control", "", "Create endpoint"),
    ("Model", "control", "Download", "Download"),
    ("Base model", "sentence", "", "It is recommended to use Base models for training and not inference."),
    # ----- the Endpoint window
    ("Endpoint", "heading", "", "hello|Details|API Keys"),
    ("Endpoint", "fact", "", "ML App|Generation|Model/Checkpoint|Model Version|Instances|Description"),
    ("Endpoint", "fact", "", "Created on|Updated on|Owner|Model parameters"),
    ("Endpoint", "fact", "", "Predict URL|Streaming prediction URL|OpenAI base URL"),
    ("Endpoint", "named", "", "Copy Predict URL|Copy Streaming prediction URL|Copy OpenAI base URL"),
    ("Endpoint", "control", "", "Edit|Stop|Delete|Overview|Instances|Usage|Events"),
    ("Endpoint", "control", "Monitoring", "Monitoring|Open in Grafana"),
    ("Endpoint", "control", "Playground", "Try It"),
    ("Endpoint", "control", "Logs", "Logs"),
    ("Endpoint", "control", "", "Share settings"),
    ("Endpoint", "control", "Update available", "Update available|Update|Update all"),
    ("Endpoint", "column", "", "KeyID|Description|Created on|Owner|Status|Actions"),
    ("Endpoint", "control", "", "Add new|Revoke|Rotate"),
    ("Rotate", "heading", "", "Rotate First Key"),
    ("Rotate", "field", "", "The old value goes on working for"),
    ("Rotate", "entry", "", "1 hour|1 day|7 days"),
    ("Rotate", "control", "", "Rotate|Cancel"),
    ("Endpoint", "named", "", "Copy the key First Key|Reveal the key First Key"),
    ("Endpoint", "sentence", "", "First Key|Active|Revoked"),
    ("Instances", "column", "", "Node|RDUs|State|Since|Restarts|Reason"),
    ("Usage", "heading", "", "Usage"),
    ("Events", "sentence", "", "owen created endpoint hello"),
    # ----- the boxes
    ("Add new API key", "heading", "", "Add new API key"),
    ("Add new API key", "field", "", "Add description"),
    ("Add new API key", "control", "", "Add"),
    ("Edit key description", "heading", "", "Edit key description"),
    ("Edit key description", "field", "", "Key description"),
    ("Edit key description", "control", "", "Save"),
    ("Revoke", "control", "", "Revoke|Cancel"),
    ("Revoke", "sentence", "", "All users lose access|cannot be reactivated"),
    ("Edit endpoint", "heading", "", "Edit endpoint"),
    ("Edit endpoint", "field", "", "Description|Select Model|RDU generation|Number of instances"),
    ("Edit endpoint", "control", "", "Edit endpoint|Model Parameters"),
    ("Edit endpoint", "sentence", "", "How it will be applied.|in a single node for each instance"),
    ("Stop", "sentence", "", "The models in this endpoint will stop running."),
    ("Stop", "control", "", "Continue|Cancel"),
    ("Restart", "control", "", "Restart|Cancel"),
    ("Delete", "sentence", "", "This endpoint will be deleted and no longer available.|hello"),
    ("Delete", "control", "", "Yes|Cancel"),
    ("Restore", "control", "", "Restore"),
    ("Delete project", "sentence", "", "will be deleted with|hello"),
    ("Delete project", "control", "", "Yes|Cancel"),
    ("Share settings", "heading", "", "Share settings"),
    ("Share settings", "field", "", "General access|Share with specific users and tenants"),
    ("Share settings", "entry", "", "Private|Everyone in this tenant can view|Viewer|Editor"),
    ("Share settings", "control", "", "Add|Save|Cancel"),
    # ----- Resources
    ("Resources", "heading", "", "Resources|RDUs|Nodes|Waiting"),
    ("Resources", "control", "", "Add node|Cordon|Uncordon|Drain|Undrain|Remove"),
    ("Resources", "column", "", "Node|RDUs|Generation|State|Use|Endpoint|Needs|Since|Why"),
    ("Add node", "field", "", "Name|RDU generation|Number of RDUs"),
    ("Notices", "sentence", "", "hello is Live"),
    # ----- Users and Tenant management
    ("Users", "heading", "", "Users"),
    ("Endpoint", "control", "", "Move|Transfer ownership"),
    ("Projects", "control", "", "Move|Transfer ownership"),
    ("Resources", "control", "", "Assign"),
    ("Users", "column", "", "User name|Roles|Last sign-in|Date of creation|Actions"),
    ("Users", "control", "", "New user|Edit roles|Deactivate"),
    ("Tenant management", "heading", "", "Tenant management"),
    ("Tenant management", "column", "", "Name|Users|Projects|Endpoints|RDUs|Date of creation|Actions"),
    ("Tenant management", "control", "", "New tenant|Rename|RDU quota|Archive"),
]  # fmt: skip


def a_model(world, name: str, **facts: object) -> Model:
    app = facts.pop("app", None) or MLApp.objects.get(name="Tiny Chat")
    model = Model.objects.create(name=name, app=app, publisher="SambaNova", **facts)
    ModelVersion.objects.create(model=model, number=1, path=name)
    for rank, code in enumerate(("SN40L", "SN30")):
        DeployOption.objects.create(model=model, generation_id=code, rank=rank)
    return model


@pytest.fixture
def windows(world, person) -> dict[str, Labels]:
    """Every window of the walk, by its name; owen's, but what only operators or OrgAdmins have."""
    world.everything()
    hello = Endpoint.objects.get(name="hello")
    Endpoint.objects.filter(name="hello").update(name="crowded")
    hello = world.live("hello", arch="SN30")
    Endpoint.objects.filter(name="gone").update(deleted_at=datetime.now(UTC))
    actor = world.actor("owen")
    facts = selectors.facts(actor, hello)
    shop, old = (
        add_key(actor=actor, endpoint=hello, facts=facts, description=name, now=datetime.now(UTC))[0]
        for name in ("shop", "old")
    )
    revoke_key(actor=actor, key=old, facts=facts, now=datetime.now(UTC))
    in_default = {"tenant": world.tenants["default"]}
    a_model(world, "Mine", owner=world.user("owen"), **in_default)
    a_model(world, "Hers", owner=world.user("mila"), general_access="tenant_viewer", **in_default)
    bundle = a_model(world, "Samba-Tiny", app=MLApp.objects.create(name="Tiny Samba CoE App", composite=True))
    for name, deed in (("sn40l-1", drain_node), ("sn30-1", cordon_node)):
        deed(actor=STUDIO, node=_node(name), now=datetime.now(UTC))
    owen, olga, otto = person("owen"), person("olga"), person("otto")
    owen.post("platform-key")  # so that there is an old one
    help_model, base = Model.objects.get(name="Help"), Model.objects.get(name="Tiny-Base")
    gone, stopped = Endpoint.objects.get(name="gone"), Endpoint.objects.get(desired="stopped")
    coming = Endpoint.objects.get(name="words")
    Endpoint.objects.filter(pk=coming.pk).update(model_version=bundle.versions.get())

    def create(model: Model, **typed: object) -> Labels:
        wanted = {"model_checkpoint": str(model.pk), "instances": "1"} | typed
        return Labels(owen.post("endpoint-preview", world.project, **wanted).html)

    pages = {
        "Dashboard": otto.get("dashboard"),
        "Projects": olga.get("projects"),
        "New project": owen.get("project-new"),
        "Project": owen.get("project", world.project),
        "Select from Model Hub": owen.get("model-select", world.project),
        "Models": owen.get("models"),
        "Model": owen.get("model", help_model),
        "Base model": owen.get("model", base),
        "Endpoint": owen.get("endpoint", hello),
        "CoE in Setting Up": owen.get("endpoint", coming),
        "Instances": owen.get("endpoint", hello, tab="instances"),
        "Usage": owen.get("endpoint", hello, tab="usage"),
        "Events": owen.get("endpoint", hello, tab="events"),
        "Add new API key": owen.get("key-new", hello),
        "Edit key description": owen.get("key-edit", hello, shop),
        "Revoke": owen.get("key-revoke", hello, shop),
        "Rotate": owen.get("key-rotate", hello, hello.api_keys.get(is_first=True)),
        "Your account": owen.get("account"),
        "Generate API Key": owen.get("platform-key"),
        "Edit endpoint": owen.get("endpoint-edit", hello),
        "Stop": owen.get("endpoint-stop", hello),
        "Restart": owen.get("endpoint-restart", stopped),
        "Delete": owen.get("endpoint-delete", hello),
        "Restore": owen.get("endpoint-restore", gone),
        "Delete project": owen.get("project-delete", world.project),
        "Share settings": owen.get("endpoint-share", hello),
        "Resources": olga.get("resources"),
        "Add node": olga.get("node-new"),
        "Notices": owen.get("notices"),
        "Users": olga.get("users"),
        "Tenant management": olga.get("tenants"),
        "Audit": olga.get("audit"),
    }
    assert {name: page.status for name, page in pages.items() if page.status != 200} == {}
    found = {name: Labels(page.html) for name, page in pages.items()}
    return found | {
        "Create endpoint": create(help_model),
        "Insufficient RDUs": create(help_model, instances="40"),
        "CoE": create(bundle),
    }


def _node(name: str) -> Node:
    return Node.objects.get(name=name)


def test_every_label_that_is_due_stands_on_its_window_and_no_other_does_yet(windows):
    missing, early = [], []
    for window, kind, step, labels in WALK:
        for label in labels.split("|"):
            there = windows[window].has(kind, label)
            if not there and not step:
                missing.append((window, kind, label))
            if there and step:
                early.append((window, label, f"is there: it waits for {step} no more"))
    assert (missing, early) == ([], [])


def test_the_first_key_is_neither_edited_nor_revoked_and_revoked_ones_are_not_revealed(windows):
    """Three keys, of which one can be edited and revoked."""
    named = windows["Endpoint"].found["named"]
    assert {name for name in named if "the key" in name} == {
        "Copy the key First Key", "Reveal the key First Key", "Actions for the key First Key",
        "Copy the key shop", "Reveal the key shop", "Actions for the key shop",
    }  # fmt: skip


def test_what_is_said_after_each_deed(world, owen):
    """The notices that follow Stop, Restart and Delete."""
    hello = world.live()
    for deed, outcome in (("stop", "is stopping"), ("restart", "is restarting"), ("delete", "was deleted")):
        answer = owen.post(f"endpoint-{deed}", hello, part=True)
        assert answer.events["notice"]["text"] == f"Endpoint hello {outcome}."


def test_a_page_is_read_by_kind():
    page = Labels('<h1>A <b>b</b></h1><label for="x">C <span>(optional)</span></label><p>d e<br>f</p>')
    assert page.has("heading", "A b")
    assert page.has("field", "C")
    assert page.has("sentence", "d e")
    assert not page.has("field", "A b")
    assert not page.has("heading", "A")
