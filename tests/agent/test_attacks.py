"""Names and parameters as an attacker would choose them: each is one argument, or none, and never a command."""

from pathlib import Path

import pytest

from scheduler.agent import runtime, serve
from scheduler.agent.state import StateFolder
from studio.hub.services import BUILT_IN
from tests.agent.node import runtime as a_runtime
from tests.agent.node import wished

NAMES = [
    "--help", "-x", "--embedding", "--model=/etc/passwd", "a b", "'; rm -rf / #", '"', "$(id)", "`id`", "a\nb", "a\tb",
    "{path}", "{python}", "%s", "../../etc", "ünï☃", "*", "~", "&&", "|", "> /tmp/x", "\\", "",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_argument_whatever_it_is(name: str) -> None:
    one = wished(runtime=a_runtime(argv=["serve", "--name={name}", "{name}", "x{name}y"]), name=name)
    argv = runtime.render(one, folder=Path("/store/help/1"), host="h", port=1).argv
    assert argv == ["serve", f"--name={name}", name, f"x{name}y"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_built_in_server_takes_no_name_for_an_option(kind: str, name: str) -> None:
    """A model called `--embedding` would otherwise be one, and `--help` would never start."""
    facts = BUILT_IN[kind]
    one = wished(runtime=a_runtime(argv=facts["argv"], parallel=facts["parallel"]), name=name)
    launch = runtime.render(one, folder=Path(f"/store/{name}"), host="127.0.0.1", port=4711)
    options = serve.parse(launch.argv[3:])  # after the interpreter and its module
    assert (options.alias, options.host, options.port) == (name, "127.0.0.1", 4711)
    assert options.model == Path(f"/store/{name}/model.gguf")
    assert options.embedding is ("--embedding" in facts["argv"])


@pytest.mark.parametrize("value", NAMES)
def test_parameters_of_an_endpoint_reach_neither_command_nor_environment(value: str) -> None:
    said = f"secret {value}"
    one = wished(
        runtime=a_runtime(), parameters={"model_parallel_rdus": said, said: said, "LD_PRELOAD": said}
    )
    launch = runtime.render(one, folder=Path("/store"), host="h", port=1)
    assert said not in [*launch.argv, *launch.env.values()]
    assert not {said, "LD_PRELOAD"} & launch.env.keys()


@pytest.mark.parametrize("id", ["", ".", "..", "../x", "/etc", "a/b", "a\0b", "-x", "a b", "x" * 200, "ü"])
def test_an_id_that_is_no_plain_name_makes_no_folder(tmp_path: Path, id: str) -> None:
    with pytest.raises(ValueError, match="cannot name a folder"):
        StateFolder(tmp_path).instance(id)
    assert not (tmp_path / "instances").exists()
