"""`snapi`: the command line client of the management REST API.

Exit codes: 0 done, 1 refused by the server, 2 wrong usage, 3 cannot reach, 4 not signed in.
"""

import contextlib
import os
import sys
from typing import TextIO

import typer

from snapi.commands.version import version
from snapi.errors import SnapiError
from snapi.late import LateGroup
from snapi.output import fail
from snapi.variables import COMPLETE


def _dashes(name: str) -> str:
    """`--endpoint_name` and `--endpoint-name` are one option."""
    return name.replace("_", "-")


# typer brings in pydantic, for twice its own time, to convert the value of an option. A flag that already has
# one is left alone, and these are the only flags of `snapi version`.
HELP_NOT_ASKED = {"help": False, "version": {"help": False}}

app = typer.Typer(
    name="snapi",
    cls=LateGroup,
    help="Create, watch and change model endpoints of a Studio platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Help as plain text: the same on a terminal and in a pipe, and nothing more to load.
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["--help", "-h"],
        "token_normalize_func": _dashes,
        "default_map": HELP_NOT_ASKED,
    },
)
app.command(epilog="\b\nExample:\n  snapi version")(version)
# Without one, typer would take `version`, the only command that it is told, for all there is.
app.callback()(lambda: None)


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        _never_choke(stream)
    if COMPLETE in os.environ:
        _prepare_completion()
    try:
        code = app(prog_name="snapi", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has enough
        _give_up_output()
        return 1
    except SnapiError as error:
        fail(error, as_json="--json" in sys.argv)
        return error.exit_code
    except typer.TyperException as error:
        typer.echo(error.format_message(), err=True)
        return error.exit_code
    except typer.Abort:
        return 130
    except OSError as error:  # a full disk behind standard output
        _give_up_output()
        typer.echo(f"The output cannot be written: {error.strerror or error}.", err=True)
        return 1
    except Exception as error:
        # An answer of another version, a mistake of ours.
        if os.environ.get("SNAPI_DEBUG"):
            raise
        typer.echo(f"snapi failed: {error!r}; with SNAPI_DEBUG=1 it shows where.", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _give_up_output() -> None:
    """The interpreter's own last flush must not complain about what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_completion() -> None:
    """The shell asks what fits; typer answers when it knows the shells, which it otherwise need not."""
    from typer.completion import completion_init  # noqa: PLC0415

    completion_init()


def _never_choke(stream: TextIO) -> None:
    """Signs that the terminal's encoding lacks are printed as question marks."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
