"""Everything that can go wrong is one sentence and the right exit code, never a traceback."""

import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from snapi.version import VERSION
from tests.snapi import answers
from tests.snapi.conftest import KEY, Result, Run
from tests.snapi.fake import FakeStudio

LIST = ("endpoint", "list")
SNAPI = [sys.executable, "-c", "import sys; from snapi.start import main; sys.exit(main())"]


def assert_one_sentence(result: Result, code: int, words: str) -> None:
    assert result.code == code
    assert words in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.out + result.err


# Refused by the server: 1


@pytest.mark.usefixtures("signed_in")
def test_a_refusal_prints_what_scripts_look_for(studio: FakeStudio, run: Run) -> None:
    studio.refuse("GET", "/api/endpoints/hav2", 404, "There is no endpoint hav2.", "not_found")
    result = run("endpoint", "info", "-e", "hav2")
    assert_one_sentence(result, 1, "There is no endpoint hav2.")
    assert result.out == "Error occured\nStatus_code: 404\nmessage: There is no endpoint hav2.\n"


@pytest.mark.usefixtures("signed_in")
def test_a_refusal_in_json_is_the_servers_own(studio: FakeStudio, run: Run) -> None:
    studio.refuse("GET", "/api/endpoints/hav2", 403, "Only its owner may.", "forbidden")
    result = run("endpoint", "info", "-e", "hav2", "--json")
    assert json.loads(result.out) == {"code": "forbidden", "message": "Only its owner may.", "fields": {}}
    assert_one_sentence(result, 1, "Only its owner may.")


@pytest.mark.usefixtures("signed_in")
def test_an_answer_of_another_shape_is_no_traceback(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/tenant", {"data": {"rdus": ["not an object"]}})
    assert_one_sentence(run("tenant", "info"), 1, "snapi failed: ")


# Wrong usage: 2


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("endpoint info", "Missing option '--endpoint'"),
        ("endpoint inf", "Did you mean 'info'"),
        ("endpoint info --nonsense", "No such option: --nonsense"),
        ("endpoint update -e hav2 -i many", "Invalid value for '--instances'"),
        ("endpoint update -e hav2", "Nothing to change"),
        ("endpoint info -e .", "A name or id is needed"),
        ("config set", "Nothing to set"),
        ("config set --host studio.example.com", "The host must be an address like https://"),
        ("config set --host http://[half", "The host must be an address like https://"),
        ("config set --host http://host:99999", "The host must be an address like https://"),
    ],
)
def test_wrong_usage(run: Run, arguments: str, words: str) -> None:
    assert_one_sentence(run(*arguments.split()), 2, words)


def test_without_a_host(run: Run) -> None:
    assert_one_sentence(run(*LIST), 2, "snapi config set --host")


@pytest.mark.parametrize("content", ["{", "[]", '"text"', "\xff"])
def test_broken_config_json(signed_in: Path, run: Run, content: str) -> None:
    (signed_in / "config.json").write_bytes(content.encode("latin-1"))
    assert_one_sentence(run(*LIST), 2, "config.json")
    assert_one_sentence(run("config", "set", "--tenant", "default"), 2, "config.json")


# Cannot reach: 3


@pytest.mark.usefixtures("signed_in")
def test_server_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SNAPI_HOST_NAME", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert_one_sentence(run(*LIST), 3, "cannot be reached")


@pytest.mark.usefixtures("signed_in")
def test_server_slow(studio: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.may_answer.clear()
    monkeypatch.setenv("SNAPI_TIMEOUT", "0.2")
    assert_one_sentence(run(*LIST), 3, "did not answer within 0.2 seconds")


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, "<h1>Bad Gateway</h1>", "text/html"),
        (200, "<h1>Another site</h1>", "text/html"),
        (404, '{"detail": "Not Found"}', "application/json"),
        (200, "[1, 2]", "application/json"),
        (200, "[" * 100_000, "application/json"),
        (200, "", "application/json"),
    ],
)
def test_what_answers_is_not_studio(studio: FakeStudio, run: Run, status: int, body: str, kind: str) -> None:
    studio.answer("GET", "/api/endpoints", body, status, kind=kind)
    assert_one_sentence(run(*LIST), 3, f"answered {status} with {kind}, which is not Studio's answer")


@pytest.mark.usefixtures("signed_in")
def test_the_front_answers_while_the_web_process_is_away(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/endpoints", {"error": {"code": "web_away", "message": "Try again."}}, 503)
    assert_one_sentence(run(*LIST), 3, "answered 503: Try again.")


@pytest.mark.usefixtures("signed_in")
def test_a_list_without_its_rows(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/endpoints", {"items": []})
    assert_one_sentence(run(*LIST), 3, "without 'endpoints'")


@pytest.mark.usefixtures("signed_in")
def test_a_redirect_to_the_sign_in_page(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/endpoints", "", 302, headers={"Location": "/sign-in/"})
    assert_one_sentence(run(*LIST), 3, "redirects to /sign-in/")


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("name", "value"), [("SSL_CERT_FILE", "/nowhere/ca.pem"), ("HTTP_PROXY", "nonsense://proxy:1")]
)
def test_an_unusable_environment(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("SNAPI_HOST_NAME", "https://studio.example.com")
    monkeypatch.setenv(name, value)
    assert_one_sentence(run(*LIST), 3, "The connection cannot be prepared")


# Not signed in: 4


@pytest.mark.usefixtures("signed_in")
def test_an_expired_key(studio: FakeStudio, run: Run) -> None:
    studio.refuse("GET", "/api/endpoints", 401, "The platform key is not valid.", "not_signed_in")
    result = run(*LIST)
    assert_one_sentence(result, 4, "The platform key is not valid.")
    assert "Status_code: 401" in result.out


def test_no_key_at_all(signed_in: Path, run: Run) -> None:
    (signed_in / "secret.txt").unlink()
    assert_one_sentence(run(*LIST), 4, "Not signed in")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused(signed_in: Path, run: Run, mode: int) -> None:
    (signed_in / "secret.txt").chmod(mode)
    assert_one_sentence(run(*LIST), 4, f"chmod 600 {signed_in / 'secret.txt'}")


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", "schlüssel".encode(), b"two\nlines"])
def test_a_secret_that_is_no_key(signed_in: Path, run: Run, content: bytes) -> None:
    (signed_in / "secret.txt").write_bytes(content)
    assert run(*LIST).code == 4


def test_an_unreadable_key(signed_in: Path, run: Run) -> None:
    (signed_in / "secret.txt").unlink()
    (signed_in / "secret.txt").mkdir()
    assert_one_sentence(run(*LIST), 4, "secret.txt cannot be read")


# Configuration


def test_config_set_writes_what_was_given_and_keeps_the_rest(folder: Path, run: Run) -> None:
    assert run("config", "set", "--host", "https://studio.example.com/").code == 0
    assert run("config", "set", "--tenant", "research").code == 0
    assert json.loads((folder / "config.json").read_text()) == {
        "HOST_NAME": "https://studio.example.com",
        "TENANT_ID": "research",
        "CONFIG_DIR": "./",
        "DISABLE_SSL_WARNINGS": "false",
    }
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_config_set_where_nothing_can_be_written(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("SNAPI_CLI_CONFIG_DIR", str(folder / "file" / "folder"))
    assert_one_sentence(run("config", "set", "--tenant", "default"), 2, "config.json cannot be")


def test_the_environment_overrides_the_files(
    folder: Path, studio: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.answer("GET", "/api/endpoints", {"endpoints": [], "next": None})
    monkeypatch.setenv("SNAPI_HOST_NAME", f"{studio.url}/")
    monkeypatch.setenv("SNAPI_ACCESS_KEY", "from-the-environment")
    monkeypatch.setenv("SAMBASTUDIO_TENANT_NAME", "Größe 1")
    assert run(*LIST).code == 0
    assert studio.asked[0].headers["authorization"] == "Bearer from-the-environment"
    assert studio.asked[0].headers["tenant"] == "Gr%C3%B6%C3%9Fe%201"


# As a process


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "SNAPI_CLI_CONFIG_DIR": str(folder), **more}


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize(
    ("word", "says", "commands"),
    [
        ("version", f"snapi {VERSION}", set()),
        ("--help", "Commands:", {"snapi.commands.version"}),
    ],
)
def test_it_starts_fast_because_it_loads_little(
    folder: Path, word: str, says: str, commands: set[str]
) -> None:
    command = "import sys; from snapi.start import main; code = main(); print(*sys.modules); sys.exit(code)"
    process = subprocess.run(
        [sys.executable, "-c", command, word], env=environment(folder), capture_output=True, text=True
    )
    *said, modules = process.stdout.splitlines()
    assert (process.returncode, says in said) == (0, True)
    heavy = {"httpx", "rich", "pydantic", "asyncio", "django", "studio", *(() if commands else ("typer",))}
    loaded = set(modules.split())
    assert heavy.isdisjoint(name.split(".")[0] for name in loaded)
    assert {name for name in loaded if name.startswith("snapi.commands.")} == commands


@pytest.mark.parametrize("words", [["version"], ["version", "--json"]])
def test_a_version_that_cannot_be_written_is_one_sentence(folder: Path, words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            [*SNAPI, *words], env=environment(folder), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert process.returncode == 1
    assert process.stderr == "The output cannot be written: No space left on device.\n"


def test_a_reader_that_leaves_early_sees_no_traceback(signed_in: Path, studio: FakeStudio) -> None:
    many = [answers.LIVE] * 2000
    studio.answer("GET", "/api/endpoints", {"endpoints": many, "next": None})
    with subprocess.Popen(
        [*SNAPI, *LIST], env=environment(signed_in), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_interrupt_is_quiet(signed_in: Path, studio: FakeStudio) -> None:
    studio.may_answer.clear()
    with subprocess.Popen([*SNAPI, *LIST], env=environment(signed_in), stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while not studio.asked and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(2)
        assert process.stderr
        assert process.stderr.read() == b""
        assert process.wait() == 130


def test_an_encoding_without_the_sign_is_no_failure(signed_in: Path, studio: FakeStudio) -> None:
    endpoint = answers.LIVE | {"description": "Größe • \ud800"}
    studio.answer("GET", "/api/endpoints/hav2", endpoint)
    process = subprocess.run(
        [*SNAPI, "endpoint", "info", "-e", "hav2"],
        env=environment(signed_in, PYTHONIOENCODING="ascii", SNAPI_ACCESS_KEY=KEY),
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "Description : Gr" in process.stdout
