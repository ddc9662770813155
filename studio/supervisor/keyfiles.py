"""The platform's own keys as 0600 files, made on the first run.

What the operator sets as a variable `STUDIO_<NAME>` gets no file. Once there is data, a missing key is not
made anew: what was digested and sealed with the old one would be lost without a word.
"""

import os
import secrets
from pathlib import Path

from scheduler.agent import disk
from studio import env, seal
from studio.supervisor.refusal import CannotStart

PAIR = ("routes_sign", "routes_verify")
SINGLE = tuple(name for name in env.SECRETS if name not in PAIR)
# Data of an earlier version was made without it. Should it be lost later, `manage.py audit verify` says so.
YOUNGER_THAN_DATA = ("audit_seal",)


def ensure(folder: Path, *, has_data: bool) -> None:
    """Make what is missing. A crash between two files is completed by the next call, before there is data."""
    missing = [
        name
        for name in env.SECRETS
        if not env.text(f"STUDIO_{name.upper()}") and not (folder / name).exists()
    ]
    lost = [name for name in missing if name not in YOUNGER_THAN_DATA]
    if lost and has_data:
        raise CannotStart(
            f"The secret {lost[0]} is missing in {folder}, and the data was made with it;"
            " put the file back, or set its variable."
        )
    try:
        if missing:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, value in _fresh(missing).items():
            disk.write(str(folder / name), f"{value}\n".encode())
        if missing:
            _settle(folder)
    except OSError as error:
        raise CannotStart(f"The secrets cannot be written to {folder}: {error.strerror}.") from None


def _fresh(missing: list[str]) -> dict[str, str]:
    values = {name: seal.new_key() for name in SINGLE if name in missing}
    if "secret_key" in values:
        values["secret_key"] = secrets.token_urlsafe(48)
    if set(PAIR) & set(missing):
        # Half a pair fits nothing: both are written, the private one first.
        values |= dict(zip(PAIR, seal.new_signing_pair(), strict=True))
    return values


def _settle(folder: Path) -> None:
    """The names of the new files are on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
