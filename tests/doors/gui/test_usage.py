"""The Usage tab: numbers, pictures that say the same, ranges, keys, and who sees it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey
from apikeys.services import add_key
from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.usage.models import UsageMinute
from studio.projects.models import Project
from tests.support.usage import counted, write


@pytest.fixture
def endpoint(world) -> Endpoint:
    return world.live()


@pytest.fixture
def key(endpoint) -> ApiKey:
    return ApiKey.objects.get(endpoint=endpoint)


def ago(**time: int) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


def used(key: ApiKey, at: datetime, **what: float) -> None:
    write(counted(key, at, **what), now=datetime.now(UTC))


def test_without_requests_it_says_what_to_do(owen, endpoint):
    page = owen.get("endpoint", endpoint, tab="usage")
    assert "No requests in this time Look at a longer time, or send a request to the Predict URL" in page.text
    assert 'href="?tab=usage&amp;range=60d"' in page.html
    assert "Show 60 days" not in owen.get("endpoint", endpoint, tab="usage", range="60d").text


def test_tiles_errors_and_keys(owen, endpoint, key):
    used(key, ago(minutes=5), requests=1200, seconds=0.2, limited=10, gone=2)
    text = owen.get("endpoint", endpoint, tab="usage").text
    assert "Total requests 1,200 Errors 12 1 % Prompt tokens 12,000 Completion tokens 6,000" in text
    assert "10 over a limit, or queue full 2 left by the client" in text
    assert f"First Key {key.prefix}-•••• 1,200 12 12,000 6,000" in text


def test_every_chart_is_a_picture_with_a_name_and_a_table(owen, endpoint, key):
    used(key, ago(minutes=5), requests=3, seconds=0.2)
    html = owen.get("endpoint", endpoint, tab="usage").html
    pictures = re.findall(r'role="img" aria-labelledby="(chart-[\w-]+) (chart-[\w-]+)"', html)
    assert len(pictures) == 6
    for title, description in pictures:
        assert html.count(f'id="{title}"') == html.count(f'id="{description}"') == 1
    names = ("Requests", "Tokens", "Response time", "Queue time", "Execution time", "Time to first token")
    assert [name for name in names if f">{name}</title>" not in html] == []
    assert html.count("<summary>") == 6
    assert re.search(r'<th scope="row">\d\d:\d\d</th><td>200 ms</td><td>250 ms</td><td>250 ms</td>', html)
    assert html.count('class="hit"') == 6 * 61, "each minute can be pointed at"


def test_the_page_obeys_its_content_security_policy(owen, endpoint, key):
    used(key, ago(minutes=5))
    html = owen.get("endpoint", endpoint, tab="usage").html
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*src=)|\son\w+=", html)


def test_what_was_never_measured_is_said(owen, endpoint, key):
    row = counted(key, ago(minutes=5))
    row.first_token = type(row.first_token)()
    write(row, now=datetime.now(UTC))
    text = owen.get("endpoint", endpoint, tab="usage").text
    assert "Time to first token streams only P50 – P90 – P95 – Nothing was measured in this time." in text


@pytest.mark.parametrize(
    ("range", "requests"), [("1h", "1"), ("24h", "3"), ("7d", "7"), ("60d", "15"), ("nonsense", "1")]
)
def test_ranges_are_links_and_hold_what_is_theirs(owen, endpoint, key, range, requests):
    for time, count in (({"minutes": 5}, 1), ({"hours": 20}, 2), ({"days": 6}, 4), ({"days": 50}, 8)):
        used(key, ago(**time), requests=count)
    page = owen.get("endpoint", endpoint, tab="usage", range=range)
    assert f"Total requests {requests} Errors" in page.text
    chosen = range if range != "nonsense" else "1h"
    assert f'<a href="?tab=usage&amp;range={chosen}" aria-current="true">' in page.html
    assert page.html.count('href="?tab=usage&amp;range=') == 5, "four ranges and the key"


def test_one_key_alone_and_the_way_back(owen, world, endpoint, key):
    facts = selectors.facts(world.actor("owen"), endpoint)
    other, _ = add_key(
        actor=world.actor("owen"),
        endpoint=endpoint,
        facts=facts,
        description="build server",
        now=datetime.now(UTC),
    )
    used(key, ago(hours=5))
    used(other, ago(hours=5))
    page = owen.get("endpoint", endpoint, tab="usage", range="24h")
    assert f'href="?tab=usage&amp;range=24h&amp;key={other.pk}">build server</a>' in page.html
    page = owen.get("endpoint", endpoint, tab="usage", range="24h", key=str(other.pk))
    assert "Only the API key build server Show all keys" in page.text
    assert "First Key" not in page.text
    assert f"?tab=usage&amp;range=7d&amp;key={other.pk}" in page.html, "the other ranges keep the key"


def test_it_refreshes_by_itself_with_its_range_and_key(owen, endpoint, key):
    used(key, ago(hours=5), requests=3)
    query = {"tab": "usage", "range": "24h", "key": str(key.pk)}
    page = owen.get("endpoint", endpoint, **query)
    address = f"/endpoints/{endpoint.pk}/?tab=usage&amp;range=24h&amp;key={key.pk}&amp;part=usage"
    assert f'hx-get="{address}" hx-trigger="tock from:body throttle:10s"' in page.html
    answer = owen.client.get(address.replace("&amp;", "&"), headers={"HX-Request": "true"})
    part = answer.content.decode()
    assert "<html" not in part
    assert part.strip() in page.html


def test_other_tabs_read_no_usage(owen, endpoint):
    with CaptureQueriesContext(connection) as captured:
        owen.get("endpoint", endpoint)
    assert not [query for query in captured if UsageMinute._meta.db_table in query["sql"]]


def test_more_usage_takes_no_more_queries(owen, world, endpoint, key):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert owen.get("endpoint", endpoint, tab="usage").status == 200
        return len(captured)

    used(key, ago(minutes=5))
    few = queries()
    other = ApiKey.objects.create(
        endpoint=endpoint, owner=key.owner, description="build server", digest=b"1", prefix="12345678"
    )
    rows = [counted(each, ago(minutes=minute), gone=1) for minute in range(6, 46) for each in (key, other)]
    write(*rows, now=datetime.now(UTC))
    assert queries() == few


@pytest.mark.parametrize(
    ("name", "status"), [("olga", 200), ("tina", 200), ("mila", 404), ("oskar", 404), ("otto", 404)]
)
def test_who_sees_it(person, endpoint, key, name, status):
    used(key, ago(minutes=5))
    assert person(name).get("endpoint", endpoint, tab="usage").status == status
    assert person(name).get("endpoint", endpoint, tab="usage", part=True).status == status


def test_a_viewer_sees_it_without_values_of_keys(person, endpoint, key):
    Project.objects.update(general_access="tenant_viewer")
    used(key, ago(minutes=5))
    page = person("mila").get("endpoint", endpoint, tab="usage")
    assert f"First Key {key.prefix}-•••• 1 0 10 5" in page.text


def test_a_key_that_is_not_the_endpoints_is_404(owen, world, endpoint):
    other = ApiKey.objects.get(endpoint=world.live("second"))
    assert owen.get("endpoint", endpoint, tab="usage", key=str(other.pk)).status == 404
