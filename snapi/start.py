"""The program itself. What a start costs is the loading of modules, so `version` is told with none of them."""

import contextlib
import gc
import os
import sys
from importlib import import_module

from snapi.version import VERSION


def main() -> int:
    if sys.argv[1:] == ["version"]:
        # What could not be written is tried again below, where it is said why.
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), f"snapi {VERSION}\n".encode())
            return 0
    gc.disable()  # nothing that is being loaded is waste, and to look for some takes a tenth of the time
    program = import_module("snapi.main")
    gc.enable()
    code: int = program.main()
    return code
