"""`snapi version`"""

from typing import Annotated

import typer

from snapi.output import show
from snapi.version import VERSION


def version(json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Print the version of this client."""
    show({"version": VERSION}, json_output, f"snapi {VERSION}")
