"""Ending a process of a test: politely, then for good."""

import subprocess


def end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """TERM, and KILL where it has not ended after so many seconds."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
