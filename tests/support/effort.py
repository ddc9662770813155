"""How hard the property tests look: `make fuzz` multiplies their examples, and draws new ones."""

import os

TIMES = int(os.environ.get("FUZZ", "1"))


def examples(number: int, *, at_most: int | None = None) -> int:
    """For Hypothesis' `max_examples`. `at_most` bounds a test whose examples take a second each."""
    return min(number * TIMES, at_most or number * TIMES)
