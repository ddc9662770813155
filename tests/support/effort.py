"""How hard the property tests look: `make fuzz` multiplies their examples, and draws new ones."""

import os

TIMES = int(os.environ.get("FUZZ", "1"))


def examples(number: int) -> int:
    """For Hypothesis' `max_examples`."""
    return number * TIMES
