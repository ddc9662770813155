"""How hard the property tests and the races look.

`make test` half as hard as they say, `make postgres` as hard, `make fuzz` as many times as it says.
"""

import os

TIMES = float(os.environ.get("FUZZ", "0.5"))


def examples(number: int, *, at_most: int | None = None) -> int:
    """For Hypothesis' `max_examples`. `at_most` bounds a test whose examples take a second each."""
    wanted = max(1, round(number * TIMES))
    return min(wanted, at_most or wanted)
