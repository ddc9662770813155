"""What a test run may lack, and what it must not lack: `STUDIO_REQUIRE=postgres,redis,chromium`.

Without the variable a part whose program is missing is skipped and counted aloud. With it a skip of any
kind fails the run, so that a green run of continuous integration has left nothing out. (A plugin named in
pyproject.toml.)
"""

import os

import pytest

KNOWN = ("postgres", "redis", "chromium")


def required() -> frozenset[str]:
    names = frozenset(
        name.strip() for name in os.environ.get("STUDIO_REQUIRE", "").split(",") if name.strip()
    )
    unknown = names - set(KNOWN)
    if unknown:
        raise SystemExit(f"STUDIO_REQUIRE knows {', '.join(KNOWN)}, not {', '.join(sorted(unknown))}.")
    return names


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and required() and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    skipped = _skipped(config)
    if skipped and required():
        names = ",".join(sorted(required()))
        sentence = f"FAILED: {len(skipped)} skipped, and STUDIO_REQUIRE={names} allows no skip."
        terminalreporter.write_line(sentence, red=True)


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    """Skipped tests; one that is expected to fail counts as run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return list(reporter.stats.get("skipped", [])) if reporter else []
