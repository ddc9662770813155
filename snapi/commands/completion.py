"""`snapi completion`: the script that makes a shell complete commands, options and names."""

from enum import StrEnum
from typing import Annotated

import typer

from snapi.output import show
from snapi.variables import COMPLETE

app = typer.Typer()

EPILOG = (
    "\b\nExample:\n  snapi completion bash >> ~/.bashrc\n\n"
    "\b\nOther shells:\n  snapi completion zsh >> ~/.zshrc\n"
    "  snapi completion fish > ~/.config/fish/completions/snapi.fish"
)


# Many a ~/.zshrc has not called for zsh's completion by the time that this is read, or never does.
ZSH_READY = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }"


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command("completion", epilog=EPILOG)
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that shall complete.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print the script that completes commands, options and the names of projects, endpoints and models."""
    # Only these two, this command and a pressed Tab key, need it.
    from typer.completion import get_completion_script  # noqa: PLC0415

    script = get_completion_script(prog_name="snapi", complete_var=COMPLETE, shell=shell.value)  # nosec B604
    if shell == Shell.ZSH:
        script = script.replace("\ncompdef ", f"\n{ZSH_READY}\ncompdef ")
    show({"shell": shell.value, "script": script}, json_output, script)
