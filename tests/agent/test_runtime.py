"""Templates become argument lists: named fields, no shell."""

import sys
from pathlib import Path

import pytest

from scheduler.agent import runtime
from tests.agent.node import runtime as a_runtime
from tests.agent.node import wished

BUILT_IN = [
    "{python}", "-m", "scheduler.agent.serve", "--model", "{gguf}", "--host", "{host}", "--port", "{port}",
    "--alias", "{name}",
]  # fmt: skip


def rendered(argv: list[str], **changes) -> runtime.Launch:
    one = wished(runtime=a_runtime(argv=argv, **changes), name="Help {path}; rm -rf $HOME", rdus=[4, 7])
    return runtime.render(one, folder=Path("/store/help/1"), host="10.0.0.7", port=4711)


def test_the_built_in_runtime():
    assert rendered(BUILT_IN).argv == [
        sys.executable, "-m", "scheduler.agent.serve", "--model", "/store/help/1/model.gguf", "--host", "10.0.0.7",
        "--port", "4711", "--alias", "Help {path}; rm -rf $HOME",
    ]  # fmt: skip


def test_fields_inside_words_and_devices():
    launch = rendered(["serve", "{path}", "--tp={rdus}", "{devices}"], env={"HERE": "{host}:{port}"})
    assert launch.argv == ["serve", "/store/help/1", "--tp=2", "4,7"]
    assert launch.env["HERE"] == "10.0.0.7:4711"
    assert launch.env["FAKE_DEVICES"] == "4,7"
    assert launch.env["HF_HUB_OFFLINE"] == "1"


def test_how_many_requests_at_once_is_said_where_it_is_known():
    assert rendered(["serve", "--parallel={parallel}"], parallel=4).argv == ["serve", "--parallel=4"]
    with pytest.raises(runtime.BadTemplate, match=r"unknown field \{parallel\}"):
        rendered(["serve", "--parallel={parallel}"], parallel=0)


@pytest.mark.parametrize("item", ["{token}", "{}", "{path.parent}", "{path!r}", "{0}"])
def test_an_unknown_field_is_named(item: str):
    with pytest.raises(runtime.BadTemplate) as refused:
        rendered(["serve", item])
    assert f"unknown field {item};" in str(refused.value)


def test_the_platforms_own_settings_stay_with_the_agent():
    inherited = runtime.inherited(
        {"PATH": "/bin", "STUDIO_BROKER_URL": "redis://:secret@host", "STUDIO_NODE": "n"},
        instance="i", node="n+1", attempt=3,
    )  # fmt: skip
    assert inherited == {
        "PATH": "/bin", "STUDIO_INSTANCE_ID": "i", "STUDIO_NODE_ID": "n+1", "STUDIO_ATTEMPT": "3",
    }  # fmt: skip
