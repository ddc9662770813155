"""Compares files with their sizes and sha256: a process of its own, so that hashing stalls nobody.

In: one JSON list of [path, name for people, size, sha256] on standard input.
Out: one JSON object a line, `{"done": bytes}` now and then, at last `{"bad": sentence}` or
`{"good": [[path, mtime_ns, size, inode], …]}`.
"""

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator

CHUNK = 1 << 20
TELL_EVERY = 0.5  # seconds


class Mismatch(Exception):
    """A file is not what the manifest says; the message is for people."""


def mismatch(name: str, what: str) -> Mismatch:
    return Mismatch(f"The checkpoint does not match its manifest: {name} {what}.")


def chunks(path: str, name: str, size: int) -> Iterator[bytes]:
    """The bytes of a regular file of exactly this size. Raises `Mismatch`."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise mismatch(name, "is not a regular file")
            if found.st_size != size:
                raise mismatch(name, f"has {found.st_size} bytes instead of {size}")
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise mismatch(name, f"cannot be read ({error.strerror})") from None


def identity(path: str) -> list[str | int]:
    """By what a later start knows that a file was not touched since."""
    found = os.stat(path)
    return [path, found.st_mtime_ns, found.st_size, found.st_ino]


def say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    done, told = 0, time.monotonic()
    good = []
    for path, name, size, sha256 in json.load(sys.stdin):
        # Taken before reading: a file changed meanwhile is no longer this one.
        before = identity(path) if os.path.exists(path) else []
        digest = hashlib.sha256()
        for chunk in chunks(path, name, size):
            digest.update(chunk)
            done += len(chunk)
            if time.monotonic() - told >= TELL_EVERY:
                told = time.monotonic()
                say({"done": done})
        if digest.hexdigest() != sha256.lower():
            raise mismatch(name, "has another sha256")
        good.append(before)
    say({"good": good})


if __name__ == "__main__":
    try:
        main()
    except Mismatch as found:
        say({"bad": str(found)})
