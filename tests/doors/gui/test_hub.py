"""The Model Hub: the Select from Model Hub window, the list of the Models page, and what holds on all its pages."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from endpoints.models import Endpoint
from studio.hub import selectors
from studio.hub.models import DeployOption, MLApp, Model, ModelVersion
from studio.hub.views import PAGE
from studio.projects.models import Project
from tests.browser.world import NOW
from tests.doors.gui.conftest import Person, Seen
from tests.doors.gui.test_frame import ELSEWHERE, INLINE

RDUS = "hyperparams.model_parallel_rdus"
BASE = "Base models do not support inference and cannot be deployed for endpoints."


def named(name: str) -> Model:
    return Model.objects.get(name=name)


def own_model(world, name: str = "Mine", owner: str = "owen", **facts: object) -> Model:
    """A model of a person of the cast, deployable on SN30."""
    wanted = {
        "tenant": world.tenants["research" if owner == "oskar" else "default"],
        "publisher": owner,
    } | facts
    model = Model.objects.create(
        name=name, app=MLApp.objects.get(name="Tone"), owner=world.user(owner), **wanted
    )
    ModelVersion.objects.create(
        model=model, number=1, path=name, manifest=[{"path": "m.gguf", "size": 3_500_000, "sha256": "0" * 64}]
    )
    DeployOption.objects.create(model=model, generation_id="SN30", rank=0)
    return model


def shown(page: Seen) -> list[str]:
    """The names on the cards, in their order."""
    cards = re.findall(r'class="card-head">(.*?)</(?:a|strong)>', page.html, re.S)
    return [Seen(200, card, {}).text for card in cards]


def queries(person: Person, door: str, *args: object, **query: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        person.get(door, *args, **query)
    return len(captured)


# ----- from the Create endpoint window, and back ----------------------------------------------------------


@pytest.fixture
def typed(world) -> dict[str, object]:
    """A window in which everything is filled in, and then the entry of the hub is chosen."""
    model = named("Help")
    return {
        "endpoint_name": "chat",
        "description": "For the team, & more",
        "ml_app": model.app_id,
        "model_checkpoint": "hub",
        "model_version": "1",
        "instances": "3",
        "rdu_arch": "SN30",
        "parameters_of": f"{model.pk}:mark",
        RDUS: "4",
    }


def test_the_drop_down_has_the_groups_and_the_entry(owen, world):
    own_model(world)
    own_model(world, "Hers", owner="mila", general_access="tenant_viewer")
    html = owen.get("endpoint-new", world.project).html
    groups = re.findall(r'<optgroup label="([^"]+)"', html)
    assert groups == ["My models", "Shared models", "SambaNova models"]
    assert re.search(r'</optgroup>\s*<option value="hub">\s*Select from Model Hub', html)


def test_the_providers_name_is_a_setting(owen, world, settings):
    settings.PROVIDER = "Acme"
    assert '<optgroup label="Acme models"' in owen.get("endpoint-new", world.project).html
    assert "Acme" in owen.get("models").text


@pytest.mark.parametrize("door", ["endpoint-preview", "endpoint-new"])
def test_the_entry_opens_the_window_with_what_was_typed(owen, world, typed, door):
    answer = owen.post(door, world.project, part=True, **typed)
    assert answer.status == 302
    query = parse_qs(urlsplit(answer.location).query)
    assert query["model_checkpoint"] == [str(named("Help").pk)]  # what was chosen before the entry
    window = owen.get(answer.location, part=True)
    assert window.html.lstrip().startswith("<div")
    assert window.headers["HX-Retarget"] == "#dialog"
    assert window.value("description") == "For the team, & more"
    assert not Endpoint.objects.exists()


def test_back_leads_to_what_was_typed(owen, world, typed):
    window = owen.get(owen.post("endpoint-preview", world.project, **typed).location)
    back = re.search(r'href="([^"]+)"[^>]*data-back', window.html)
    page = owen.get(back[1].replace("&amp;", "&"))
    kept = {"endpoint_name": "chat", "description": "For the team, & more", "ml_app": "Tiny Chat"}
    kept |= {
        "model_checkpoint": "Help",
        "model_version": "1",
        "instances": "3",
        "rdu_arch": "SN30",
        RDUS: "4",
    }
    assert {name: page.value(name) for name in kept} == kept
    assert re.search(r"<select[^>]*model_checkpoint[^>]*autofocus", page.html)


def test_use_model_chooses_it_with_its_app_and_newest_version(owen, world, typed):
    window = owen.post("endpoint-preview", world.project, **typed).location
    query = {name: values[0] for name, values in parse_qs(urlsplit(window).query).items()}
    page = owen.get("endpoint-new", world.project, **query, use=str(named("Sentiment").pk))
    kept = {"endpoint_name": "chat", "description": "For the team, & more", "instances": "3"}
    chosen = {"ml_app": "Tone", "model_checkpoint": "Sentiment", "model_version": "2", RDUS: "1"}
    assert {name: page.value(name) for name in kept | chosen} == kept | chosen
    assert "SN30: 8 in total" in page.text


def test_use_model_with_the_same_model_changes_nothing(owen, world, typed):
    window = owen.post("endpoint-preview", world.project, **typed).location
    query = {name: values[0] for name, values in parse_qs(urlsplit(window).query).items()}
    page = owen.get("endpoint-new", world.project, **query, use=str(named("Help").pk))
    assert (page.value("model_version"), page.value(RDUS)) == ("1", "4")


def test_without_javascript_it_is_a_page_with_the_same_forms(owen, world, typed):
    page = owen.get(owen.post("endpoint-preview", world.project, **typed).location)
    assert "<html" in page.html
    assert "Apply filters" in page.html
    assert page.html.count('name="endpoint_name" value="chat"') == 2  # in the filters and in the choice
    assert re.search(r'<button[^>]*form="use-model"[^>]*>Use model', page.html)


@pytest.mark.parametrize("name", ["oskar", "mila"])
def test_who_may_not_know_the_project_gets_404(person, world, name):
    assert person(name).get("model-select", world.project).status == 404


def test_a_viewer_of_the_project_may_not_select(person, world):
    assert world.project
    Project.objects.update(general_access="tenant_viewer")
    assert person("mila").get("model-select", world.project).status == 403


# ----- what the window lists ------------------------------------------------------------------------------


def test_the_models_of_the_chosen_app_and_all_without_one(owen, world):
    tone = str(MLApp.objects.get(name="Tone").pk)
    assert shown(owen.get("model-select", world.project)) == ["Help", "Old-Timer", "Sentiment", "Tiny-Base"]
    window = owen.get("model-select", world.project, ml_app=tone)
    assert shown(window) == ["Old-Timer", "Sentiment"]
    assert window.value("app") == "Tone"
    assert len(shown(owen.get("model-select", world.project, ml_app=tone, app=""))) == 4


def test_base_models_are_shown_with_the_reason_and_cannot_be_chosen(owen, world):
    page = owen.get("model-select", world.project, search="tiny-base")
    assert BASE in page.text
    assert re.search(r'<input type="radio"[^>]*disabled', page.html)
    assert re.search(r'<button[^>]*id="use-this"[^>]*disabled', page.html)


def test_the_model_chosen_before_is_chosen_here_too(owen, world):
    pk = str(named("Sentiment").pk)
    page = owen.get("model-select", world.project, model_checkpoint=pk)
    assert re.findall(r'value="([^"]+)"[^>]*checked', page.html) == [pk]


def test_a_card_says_what_a_model_is(owen, world):
    own_model(world, description="Finds the tone", architecture="Tiny Llama")
    text = owen.get("models", search="mine").text
    assert "Mine Available Finds the tone Version 1 owen Tone Tiny Llama 3.3 MB SN30" in text.replace(
        "\xa0", " "
    )


def test_a_model_without_a_version_is_neither_available_nor_to_be_chosen(owen, world):
    ModelVersion.objects.filter(model=own_model(world)).delete()
    page = owen.get("model-select", world.project, search="mine")
    assert "Mine has no version yet." in page.text
    assert "Available" not in page.text
    assert re.search(r'<input type="radio"[^>]*disabled', page.html)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"search": "HELP"}, ["Help"]),
        ({"search": "tone samba"}, ["Old-Timer", "Sentiment"]),
        ({"search": "tone nothing"}, []),
        ({"search": "100%"}, []),
        ({"search": "\0"}, ["Help", "Mine", "Old-Timer", "Sentiment", "Tiny-Base"]),
        ({"field": "speech"}, ["Mine"]),
        ({"architecture": "Whistle"}, ["Mine"]),
        ({"owner": "provider"}, ["Help", "Old-Timer", "Sentiment", "Tiny-Base"]),
        ({"owner": "owen (you)"}, ["Mine"]),
        ({"app": "Tone", "owner": "provider"}, ["Old-Timer", "Sentiment"]),
        ({"app": "no such app", "field": "no such field"}, ["Help", "Mine", "Old-Timer", "Sentiment", "Tiny-Base"]),
    ],
)  # fmt: skip
def test_filters_narrow_the_list(owen, world, filters, names):
    own_model(world, field_of_application="speech", architecture="Whistle")
    values = {"Tone": MLApp.objects.get(name="Tone").pk, "owen (you)": world.user("owen").pk}
    page = owen.get("models", **{name: str(values.get(value, value)) for name, value in filters.items()})
    assert shown(page) == names
    assert ("No model fits" in page.text) is (not names)


def test_to_htmx_a_filter_gives_only_what_was_found(owen, world):
    for door in (["models"], ["model-select", world.project]):
        part = found(owen, *door, search="help")
        assert shown(part) == ["Help"]
        assert "<form" not in part.html
        assert (
            '<p class="count" id="count" role="status" hx-swap-oob="innerHTML">1 model found</p>' in part.html
        )
        assert "HX-Retarget" not in part.headers
    assert "disabled" in found(owen, "model-select", world.project, search="nothing").html


def found(person: Person, door: str, *args: object, target: str = "found", **query: str) -> Seen:
    """As htmx asks for a part of the list."""
    person.client.defaults["HTTP_HX_TARGET"] = target
    try:
        return person.get(door, *args, part=True, **query)
    finally:
        del person.client.defaults["HTTP_HX_TARGET"]


def test_a_long_list_comes_in_parts_and_keeps_its_filters(owen, world):
    for number in range(PAGE + 2):
        own_model(world, f"many {number:02}")
    first = owen.get("models", search="many")
    assert (len(shown(first)), f"{PAGE + 2} models found" in first.text) == (PAGE, True)
    more = re.search(r'<a class="button" href="([^"]+)"[^>]*>Show more', first.html)
    address = more[1].replace("&amp;", "&")
    assert "search=many" in address
    assert shown(owen.get(address)) == ["many 24", "many 25"]
    part = found(owen, address, target="more")
    assert part.html.lstrip().startswith("<li")
    assert (shown(part), "Show more" in part.text) == (["many 24", "many 25"], False)


def test_more_in_the_window_carries_what_was_typed(owen, world):
    for number in range(PAGE):
        own_model(world, f"many {number:02}")
    page = owen.get("model-select", world.project, endpoint_name="chat")
    more = re.search(r'<a class="button" href="([^"]+)"[^>]*>Show more', page.html)
    assert "endpoint_name=chat" in more[1]


def test_nothing_in_the_hub_says_what_to_do_next(owen, world):
    Model.objects.all().delete()
    assert "An operator imports models into the hub" in owen.get("models").text


def test_the_filters_offer_what_the_actors_models_have(owen, person, world):
    own_model(world, "Secret", owner="oskar", architecture="Hidden", field_of_application="spying")
    mine, theirs = owen.get("models").html, person("oskar").get("models").html
    assert ("Hidden" in mine, "Spying" in mine, "oskar" in mine) == (False, False, False)
    assert ("Hidden" in theirs, "Spying" in theirs, "oskar (you)" in theirs) == (True, True, True)


# ----- on all of them -------------------------------------------------------------------------------------


def test_no_page_has_anything_inline_or_from_elsewhere(owen, world):
    card = "| a |\n| --: |\n| 1 |\n\n<script>x</script> ![i](https://elsewhere.example/i.png)"
    Model.objects.filter(name="Help").update(card=card)
    model = named("Help")
    for page in (
        owen.get("models"),
        owen.get("model", model),
        owen.get("model-deploy", model),
        owen.get("model-select", world.project, endpoint_name="chat"),
    ):
        assert page.status == 200
        assert INLINE.findall(page.html) == []
        assert ELSEWHERE.findall(page.html.replace('<a href="https://', "")) == []
        ids = re.findall(r'\sid="([^"]+)"', page.html)
        assert sorted(ids) == sorted(set(ids))
        fields = re.findall(r'<(?:input|select|textarea)\b[^>]*\sid="([^"]+)"', page.html)
        assert set(fields) <= set(re.findall(r'<label for="([^"]+)"', page.html))


@pytest.mark.parametrize("part", [True, False])
def test_a_project_made_for_a_model_leads_on_to_create_its_endpoint(person, world, part):
    mila, model, theirs = person("mila"), named("Help"), own_model(world, owner="oskar")
    new = f"{reverse('project-new')}?use={model.pk}"
    assert f'href="{new}"' in mila.get("model-deploy", model, part=part).html
    box = mila.get(new, part=part)
    assert f'action="{new}"' in box.html
    assert "Next you create the endpoint with Help in it." in box.text
    made = mila.post(new, part=part, name="mine")
    to = made.headers["HX-Redirect"] if part else made.location
    assert to == f"{reverse('endpoint-new', args=[Project.objects.get().pk])}?use={model.pk}"
    assert mila.get(to).value("model_checkpoint") == "Help"
    assert mila.get(f"{reverse('project-new')}?use={theirs.pk}").status == 404


def test_select_from_model_hub_closes_to_the_window_behind_it(owen, world):
    html = owen.get("model-select", world.project, part=True, endpoint_name="chat").html
    shut = re.search(r"<a [^>]*Back to Create endpoint[^>]*>", html)
    back = re.search(r"<a [^>]*data-back>", html)
    assert shut
    assert back
    assert "data-close" not in shut[0]
    assert re.findall('hx-get="([^"]+)"', shut[0]) == re.findall('hx-get="([^"]+)"', back[0])


def test_more_models_versions_and_endpoints_take_no_more_queries(owen, world):
    model = named("Help")
    world.live("first")

    def counts() -> list[int]:
        pages = (("models",), ("model-select", world.project), ("model", model), ("model-deploy", model))
        found = []
        for page in pages:
            cache.clear()  # what is counted once in two seconds
            found.append(queries(owen, *page))
        return found

    few = counts()
    for number in range(5):
        own_model(world, f"more {number}")
        world.live(f"more-{number}")
        ModelVersion.objects.create(model=model, number=10 + number, path=f"help/{10 + number}")
        Project.objects.create(
            tenant=world.tenants["default"], owner=world.user("owen"), name=f"p{number}", created_at=NOW
        )
    assert counts() == few
    assert max(few) < 25


def test_the_size_is_that_of_the_newest_versions_files(world):
    model = own_model(world)
    files = [{"path": name, "size": 1000, "sha256": "0" * 64} for name in ("a.gguf", "b.json")]
    ModelVersion.objects.create(model=model, number=2, path="mine/2", manifest=files)
    assert selectors.card(named("Mine")).size == 2000
