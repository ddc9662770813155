"""Pictures of every page, open dialog and menu, in light, dark and narrow: `make screenshots`, then look at them.

The tests that look at every window go the same way; with a folder named, they take pictures instead of judging.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.browser.looks import PICTURES

FOLDER = Path(__file__).parents[2] / "screenshots"
HERE = str(Path(__file__).parent)


def main(wanted: list[str]) -> int:
    """`wanted`: what else pytest is told, for instance one file of tests."""
    if not wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
    os.environ[PICTURES] = str(FOLDER)
    # Naming `thorough` lets those in that run on request only; narrow pictures are taken on the wide way too.
    code = pytest.main(["-q", "-m", "looks or (looks and thorough)", "-k", "not narrow", *(wanted or [HERE])])
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
