"""Tab: commands, options and names, in the form each shell takes; never an error, never a wait."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snapi.main import main
from tests.snapi import answers
from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio
from tests.snapi.shells import terminal

Complete = Callable[..., list[str]]
PROGRAM = [sys.executable, "-m", "tests.snapi.program"]


@pytest.fixture
def names(studio: FakeStudio) -> FakeStudio:
    projects = [answers.PROJECT | {"name": name} for name in ("demo", "demo 2", "letters")]
    studio.answer("GET", "/api/projects", {"projects": projects, "next": None})
    studio.answer("GET", "/api/endpoints", {"endpoints": [answers.LIVE], "next": None})
    studio.answer("GET", "/api/models", {"models": [answers.BASE_MODEL], "next": None})
    studio.answer("GET", "/api/tenant", {"data": answers.TENANT})
    return studio


@pytest.fixture
def complete(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """What is offered for a line; that shells hear the same of the program itself is shown with real ones below."""

    def offered(line: str, shell: str = "bash", **more: str) -> list[str]:
        with monkeypatch.context() as environment:
            environment.setattr(sys, "argv", ["snapi"])
            for name, value in {**asked_by(shell, line), **more}.items():
                environment.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit):
                main()
        printed = capsys.readouterr()
        assert printed.err == ""
        return [line for line in printed.out.splitlines() if line]

    return offered


def asked_by(shell: str, line: str) -> dict[str, str]:
    words = line.split(" ")
    return {
        "_SNAPI_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


def test_commands_and_options(complete: Complete, folder: Path) -> None:
    assert complete("snapi endpoint sto") == ["stop"]
    assert complete("snapi endpoint create --model-c") == ["--model-checkpoint"]


def test_names(complete: Complete, names: FakeStudio, signed_in: Path) -> None:
    assert complete("snapi project info -p dem") == ["demo", "demo\\ 2"]
    assert complete("snapi model info --model GPT") == ["GPT_13B_Base_Model"]
    assert complete("snapi endpoint create -a SN") == ["SN40L"]


def test_endpoints_of_the_project_that_is_named(
    complete: Complete, names: FakeStudio, signed_in: Path
) -> None:
    assert complete("snapi endpoint stop --project demo --endpoint h") == ["hav2"]
    assert names.asked[-1].query == {"project": "demo"}


@pytest.mark.parametrize(
    ("shell", "shown"), [("zsh", """_arguments '*: :(("demo"\n"demo 2"))'"""), ("fish", "demo\ndemo 2")]
)
def test_each_shell_gets_its_form(
    complete: Complete, names: FakeStudio, signed_in: Path, shell: str, shown: str
) -> None:
    assert complete("snapi project info -p de", shell) == shown.splitlines()


def test_nothing_is_said_when_nothing_can_be_asked(
    complete: Complete, studio: FakeStudio, signed_in: Path
) -> None:
    line = "snapi project info -p de"
    studio.answer("GET", "/api/projects", "<h1>Bad Gateway</h1>", 502, kind="text/html")
    assert complete(line) == []
    assert complete(line, SNAPI_HOST_NAME="http://127.0.0.1:1") == []
    studio.may_answer.clear()
    assert complete(line, SNAPI_TIMEOUT="0.2") == []
    (signed_in / "config.json").write_text("{")
    assert complete(line) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert f"_SNAPI_COMPLETE=complete_{shell}" in result.out


@pytest.fixture
def installed(names: FakeStudio, signed_in: Path, run: Run, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has snapi on the PATH and its scripts in `HOME`."""
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / f"snapi.{shell}").write_text(run("completion", shell).out)
    (tmp_path / "snapi").write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
    (tmp_path / "snapi").chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": os.getcwd(),
            "SNAPI_CLI_CONFIG_DIR": str(signed_in), "TERM": "xterm", "LANG": "C.UTF-8"}  # fmt: skip


def test_the_script_completes_in_a_real_bash(installed: dict[str, str]) -> None:
    ask = (
        "source ~/snapi.bash; COMP_WORDS=(snapi project info -p de); COMP_CWORD=4; _snapi_completion snapi; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    process = subprocess.run(["bash", "-c", ask], env=installed, capture_output=True, text=True)
    assert (process.stdout.splitlines(), process.stderr) == (["demo", "demo\\ 2"], "")


LINES = [
    ("snapi endp", "snapi endpoint "),
    ("snapi project info --project let", "snapi project info --project letters "),
    ("snapi endpoint create --model-c", "snapi endpoint create --model-checkpoint "),
    (r"snapi endpoint stop -p demo\ 2 -e h", r"snapi endpoint stop -p demo\ 2 -e hav2 "),
    ("snapi project info -p de", "snapi project info -p demo"),
]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_the_script_completes_in_a_real_zsh(installed: dict[str, str]) -> None:
    """One that has never heard of completion, with a key that tells and empties the line."""
    Path(installed["HOME"], ".zshrc").write_text(
        "PS1='> '; source ~/snapi.zsh; zle -N tell; bindkey '^G' tell; tell() { print -r \"<<$BUFFER>>\"; BUFFER= }\n"
        "print ready\n"
    )
    with terminal(["zsh", "--no-globalrcs", "-i"], installed) as zsh:
        zsh.read_until("ready")
        for line, completed in LINES:
            zsh.type(f"{line}\t\a")
            assert zsh.read_until(">>").rpartition("<<")[2] == completed


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_the_script_completes_in_a_real_fish(installed: dict[str, str]) -> None:
    """It says by itself what it would offer."""
    offers = {
        "snapi endp": ["endpoint\tEndpoints: models that answer predictions."],
        "snapi project info --project de": ["demo", "demo 2"],
        "snapi endpoint create --model-c": ["--model-checkpoint\tThe model to deploy."],
        r"snapi endpoint stop -p demo\ 2 -e h": ["hav2"],
    }
    for line, offered in offers.items():
        ask = f"source ~/snapi.fish; complete --do-complete '{line}'"
        process = subprocess.run(
            ["fish", "--no-config", "-c", ask], env=installed, capture_output=True, text=True
        )
        assert (process.stdout.splitlines(), process.stderr) == (offered, "")


def test_another_shell_is_wrong_usage(run: Run) -> None:
    assert run("completion", "tcsh").code == 2
