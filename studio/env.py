"""What the environment says, typed. Plain `os.environ`: programs without Django read it too.

Every setting of the platform is a variable `STUDIO_…`; `docs/operating.md` lists them. A broker address
is written once, as `redis://…`, `rediss://…` or `redis+socket:///path`, and translated for each client.
"""

import os
from pathlib import Path

from studio.secret import Secret


class BadSetting(SystemExit):
    """A setting nobody can work with: one sentence on stderr, exit code 1."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name} must be 1 or 0, not {value!r}.")


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name)
    if not value:
        return default
    try:
        parsed = int(value)
    except ValueError:
        raise BadSetting(f"{name} must be a whole number, not {value!r}.") from None
    if not least <= parsed <= most:
        raise BadSetting(f"{name} must be between {least} and {most}, not {parsed}.")
    return parsed


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def data_dir() -> Path:
    return Path(text("STUDIO_DATA_DIR", "var")).expanduser().resolve()


def secrets_dir() -> Path:
    return Path(text("STUDIO_SECRETS_DIR") or data_dir() / "secrets").expanduser().resolve()


def port() -> int:
    return number("STUDIO_PORT", 8000, least=1, most=65535)


def host() -> str:
    return text("STUDIO_HOST", "127.0.0.1")


def public_url() -> str:
    """The address people reach the platform at, without a trailing slash."""
    return text("STUDIO_URL", f"http://{host()}:{port()}").rstrip("/")


def broker_url() -> str:
    """The broker's address as Celery spells it."""
    return text("STUDIO_BROKER_URL", f"redis+socket://{data_dir() / 'broker' / 'broker.sock'}")


def redis_url() -> str:
    """The broker's address as the redis client spells it."""
    url = broker_url()
    return "unix" + url.removeprefix("redis+socket") if url.startswith("redis+socket:") else url


SECRETS = (
    "secret_key", "key_pepper", "value_seal", "routes_seal", "audit_seal", "routes_sign", "routes_verify",
)  # fmt: skip


Stamp = tuple[int, int, int]  # a file's time in ns, size and inode


def secret_stamp(name: str) -> Stamp | None:
    """Changes with the secret's file; nothing for a variable, which cannot change, and while there is no file."""
    if text(f"STUDIO_{name.upper()}"):
        return None
    try:
        known = (secrets_dir() / name).stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size, known.st_ino


def secret(name: str) -> Secret:
    """A secret by its variable `STUDIO_<NAME>`, else by its file `<secrets>/<name>`.

    Raises `BadSetting` where neither exists, and for a file that others may read.
    """
    value = text(f"STUDIO_{name.upper()}")
    if value:
        return Secret(value)
    path = secrets_dir() / name
    try:
        mode = path.stat().st_mode & 0o077
        value = path.read_text().strip()
    except OSError as error:
        raise BadSetting(
            f"The secret {name} is missing: set STUDIO_{name.upper()} or write {path} ({error.strerror})."
        ) from None
    if mode:
        raise BadSetting(f"The secret file {path} can be read by others; run: chmod 600 {path}")
    return Secret(value)
