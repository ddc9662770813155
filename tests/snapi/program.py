"""snapi as a program of its own, whatever is installed: `python -m tests.snapi.program endpoint list`."""

import sys

from snapi.start import main

if __name__ == "__main__":
    sys.exit(main())
