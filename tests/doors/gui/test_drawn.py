"""What pages draw many times is drawn by tags of our own: they say what Django's say."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from django.template import Context, Template
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import mark_safe

from studio import htmx

ONE, TWO = uuid4(), uuid4()


def drawn(text: str, **context: object) -> str:
    return Template(text).render(Context(context))


@pytest.mark.parametrize(
    ("name", "ids"),
    [("dashboard", ()), ("endpoint", (ONE,)), ("key-value", (ONE, TWO)), ("key-value", (TWO, TWO))],
)
def test_an_address_is_what_django_makes_of_it(name, ids):
    assert htmx.address(name, *ids) == reverse(name, args=ids)
    context = {f"id{number}": each for number, each in enumerate(ids)}
    assert drawn(f"{{% url '{name}' {' '.join(context)} %}}", **context) == reverse(name, args=ids)


def test_what_is_not_addressed_by_ids_is_left_to_django():
    assert drawn("{% url 'node-drain' name %}", name="a&b") == "/resources/nodes/a&amp;b/drain/"
    assert drawn("{% url 'admin:index' %}") == reverse("admin:index")
    assert drawn("{% url 'endpoint' endpoint=one %}", one=ONE) == f"/endpoints/{ONE}/"


def test_an_address_that_there_is_not_may_be_asked_for_by_name_only():
    assert drawn("{% url 'nowhere' as there %}[{{ there }}]") == "[]"
    assert drawn("{% url 'endpoint' one as there %}[{{ there }}]", one=ONE) == f"[/endpoints/{ONE}/]"
    with pytest.raises(NoReverseMatch):
        drawn("{% url 'nowhere' %}")


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_dates_are_said_in_utc(zone):
    at = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC).astimezone(zone)
    day = '<time datetime="2024-01-02T03:04:05+00:00" title="02 Jan, 2024, 03:04:05 UTC">02 Jan, 2024</time>'
    assert drawn("{% day at %}", at=at) == day
    assert drawn("{% moment at %}", at=at) == day.replace(">02 Jan, 2024<", ">02 Jan, 03:04:05<")


@pytest.mark.parametrize(
    ("djangos", "ours"),
    [("rdus", "RDUs"), ("is first", "Is first"), ("apikeys", "API keys"), ("ML Apps", "ML Apps"), ("", "")],
)
def test_names_that_django_makes_are_written_as_ours(djangos, ours):
    assert drawn("{{ words|spelt }}", words=djangos) == ours


def test_within_a_sentence_a_name_gets_no_capital_and_html_stays():
    assert drawn("{{ words|spelt:'within' }}", words="node rdus") == "node RDUs"
    box = mark_safe('<input type="checkbox" id="rdus">')
    assert drawn("{{ words|spelt }}", words=box) == box
    assert drawn("{{ words|spelt }}", words="<b> rdus") == "&lt;b&gt; RDUs"
