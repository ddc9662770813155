"""A question before something that cannot be taken back."""

import sys

import typer

from snapi.errors import WrongUsage


def confirm(question: str, remedy: str) -> None:
    """Raises `WrongUsage` with the remedy where nobody is there to answer, and `typer.Abort` for a no."""
    if not sys.stdin.isatty():
        raise WrongUsage(remedy)
    typer.confirm(question, abort=True, err=True)
