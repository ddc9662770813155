"""What a test run may lack, and what it must not lack: `STUDIO_REQUIRE=postgres,redis,chromium`.

Without the variable a part whose program is missing is skipped and counted aloud. With it a skip of any
kind fails the run, so that a green run of continuous integration has left nothing out.
"""

import os

KNOWN = ("postgres", "redis", "chromium")


def required() -> frozenset[str]:
    names = frozenset(
        name.strip() for name in os.environ.get("STUDIO_REQUIRE", "").split(",") if name.strip()
    )
    unknown = names - set(KNOWN)
    if unknown:
        raise SystemExit(f"STUDIO_REQUIRE knows {', '.join(KNOWN)}, not {', '.join(sorted(unknown))}.")
    return names
