"""`snapi node …`: the machines; adding, closing, emptying and removing them is for operators and OrgAdmins."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from snapi import completion, config
from snapi.administering import Administrator
from snapi.asking import confirm
from snapi.client import Client
from snapi.errors import WrongUsage
from snapi.options import ArchOption, JsonOption
from snapi.output import dash, grid, label_block, one_line, section, show

app = typer.Typer(no_args_is_help=True)

COLUMNS = [
    ("Node", 20),
    ("Arch", 6),
    ("RDUs", 4),
    ("Free", 4),
    ("State", 9),
    ("Virtual", 7),
    ("Held by", 30),
    ("Kept for", 8),
]
TOKEN_ROOM = 200  # bytes

NodeOption = Annotated[
    str,
    typer.Option(
        "--node", "-n", metavar="NAME|ID", help="The node, by name or id.", autocompletion=completion.nodes
    ),
]


@app.command("list", epilog="\b\nExample:\n  snapi node list --arch SN40L")
def list_(
    arch: ArchOption = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only nodes in this state, e.g. ready, lost.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the nodes and who holds their RDUs."""
    with Client(config.load()) as client:
        answer = client.list_nodes(arch=arch, state=state)
    rows = [_row(node) for node in answer["nodes"]]
    show(answer, json_output, f"{section('List of Nodes')}\n{grid(COLUMNS, rows)}")


@app.command(
    epilog="\b\nExample:\n  snapi node add --node sn40l-3 --arch SN40L --rdus 8 --token-file sn40l-3.token"
)
def add(
    node: Annotated[str, typer.Option("--node", "-n", metavar="NAME", help="Name of the new node.")],
    arch: Annotated[
        str, typer.Option("--arch", "-a", metavar="ARCH", help="Its RDU generation, e.g. SN40L.")
    ],
    rdus: Annotated[int, typer.Option(metavar="NUMBER", help="How many RDUs it has.")],
    virtual: Annotated[bool, typer.Option("--virtual", help="No device stands behind its RDUs.")] = False,
    address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where gateways reach its model servers.")
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the join token here, for you alone to read; else print it."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Add a node and get the command that starts its agent. The join token is shown this once."""
    spec = {"name": node, "arch": arch, "rdus": rdus, "virtual": virtual, "address": address}
    with Client(config.load()) as client, _kept(token_file) as keep:
        answer = client.add_node(spec)
        keep(str(answer["join"]["token"]))
    show(answer, json_output, _joining(answer, token_file))


@app.command(epilog="\b\nExample:\n  snapi node cordon --node sn40l-3")
def cordon(node: NodeOption, json_output: JsonOption = False) -> None:
    """Place nothing new on a node; what runs stays."""
    _change(node, "cordon", "takes no new instances; what runs stays", json_output)


@app.command(epilog="\b\nExample:\n  snapi node uncordon --node sn40l-3")
def uncordon(node: NodeOption, json_output: JsonOption = False) -> None:
    """Place instances on a node again."""
    _change(node, "uncordon", "takes instances again", json_output)


@app.command(epilog="\b\nExample:\n  snapi node drain --node sn40l-3")
def drain(node: NodeOption, json_output: JsonOption = False) -> None:
    """Move everything off a node: replacements start elsewhere, then its instances end."""
    _change(node, "drain", "is being emptied", json_output)


@app.command(epilog="\b\nExample:\n  snapi node undrain --node sn40l-3")
def undrain(node: NodeOption, json_output: JsonOption = False) -> None:
    """Stop emptying a node; it takes instances again."""
    _change(node, "undrain", "is not emptied any more", json_output)


@app.command(epilog="\b\nExample:\n  snapi node assign --node sn40l-3 --tenant research")
def assign(
    node: NodeOption,
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", metavar="NAME|ID", help="Whose instances alone it takes.")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Share it by all tenants again.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Keep a node for a tenant, or share it again; what others run on it moves off. For OrgAdmins."""
    if shared == (tenant is not None):
        raise WrongUsage("Say --tenant or --shared, one of them.")
    with Administrator(config.load()) as client:
        answer = client.assign_node(node, tenant or "")
    outcome = "is shared by all tenants" if shared else f"is kept for {one_line(answer.get('kept_for'))}"
    show(answer, json_output, f"Node {one_line(answer.get('name', node))} {outcome}.")


@app.command(epilog="\b\nExample:\n  snapi node remove --node sn40l-3 --yes")
def remove(
    node: NodeOption,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Your word that the machine is dead or empty.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Remove a node. It is your word that the machine is dead or empty: its instances are over."""
    if not yes:
        confirm(
            f"Is the machine of {one_line(node)} dead or empty, so that nothing runs on it any more?",
            f"Say --yes if the machine of {one_line(node)} is dead or empty.",
        )
    _change(node, "remove", "was removed", json_output)


def _change(node: str, verb: str, outcome: str, json_output: bool) -> None:
    with Client(config.load()) as client:
        answer = client.change_node(node, verb)
    show(answer, json_output, f"Node {one_line(answer.get('name', node))} {outcome}.")


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    holders = dict.fromkeys(str(each.get("held_by")) for each in node.get("instances") or [])
    return (
        node.get("name"),
        node.get("arch"),
        node.get("rdus"),
        node.get("free"),
        node.get("state"),
        "yes" if node.get("virtual") else "no",
        dash(", ".join(holders)),
        dash(node.get("kept_for")),
    )


def _joining(answer: dict[str, Any], token_file: Path | None) -> str:
    join = answer["join"]
    kept = f"in {token_file}" if token_file else str(join["token"])
    rows = [("Node", answer.get("name")), ("Command", join["command"]), ("Join token", kept)]
    advice = (
        "Run the command in Studio's folder on the node's machine; it reads the token from standard input."
    )
    return f"{label_block('Node Added', rows)}\n{advice}"


@contextmanager
def _kept(path: Path | None) -> Iterator[Callable[[str], None]]:
    """A new file that only its owner can read, from its first moment on; there before the node is, or nothing is added.

    Its room is taken beforehand too: a token that could not be written would be lost.
    """
    if path is None:
        yield lambda token: None
        return
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except FileExistsError:
        raise WrongUsage(f"{path} exists already; name another file.") from None
    except (OSError, ValueError) as error:
        raise WrongUsage(f"{path} cannot be written: {error}.") from None
    try:
        with file:
            _write(file, path, " " * TOKEN_ROOM)
            yield lambda token: _write(file, path, f"{token}\n")
    except BaseException:
        path.unlink()
        raise


def _write(file: TextIO, path: Path, text: str) -> None:
    """In place of what stands there."""
    try:
        file.seek(0)
        file.write(text)
        file.truncate()
        file.flush()
    except OSError as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}.") from None
