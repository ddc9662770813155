"""Where snapi keeps the host, the tenant and the key, and what the environment overrides.

`~/.snapi/config.json` (another folder: `SNAPI_CLI_CONFIG_DIR`) holds

    HOST_NAME             address of the platform, without a trailing slash
    TENANT_ID             name or id of the active tenant; empty means the user's default tenant
    CONFIG_DIR            folder for the files that commands write
    DISABLE_SSL_WARNINGS  "true" accepts a certificate that nobody vouches for

and `secret.txt` beside it the platform API key. A variable `SNAPI_<name>` overrides each; the key's is
`SNAPI_ACCESS_KEY`. `SNAPI_TIMEOUT` is how many seconds to wait for an answer.
"""

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from snapi.errors import NotSignedIn, WrongUsage

DEFAULTS = {"HOST_NAME": "", "TENANT_ID": "", "CONFIG_DIR": "./", "DISABLE_SSL_WARNINGS": "false"}
DEFAULT_TIMEOUT = 30.0

# Names that the tools around the CLI already use.
ALSO_IN = {
    "HOST_NAME": "SAMBASTUDIO_HOST_NAME",
    "TENANT_ID": "SAMBASTUDIO_TENANT_NAME",
    "ACCESS_KEY": "SAMBASTUDIO_ACCESS_KEY",
}


@dataclass(frozen=True)
class Settings:
    """Everything a client needs to speak to a platform."""

    host: str
    key: str
    tenant: str = ""
    verify: bool = True
    timeout: float = DEFAULT_TIMEOUT


def load() -> Settings:
    """Raises `WrongUsage` for an unusable configuration and `NotSignedIn` where the key is missing."""
    values = DEFAULTS | read_file()
    for name in DEFAULTS:
        values[name] = _from_environment(name) or values[name]
    if not values["HOST_NAME"]:
        raise WrongUsage("No host is set; run: snapi config set --host https://<host>")
    return Settings(
        host=host_address(values["HOST_NAME"]),
        key=_key(),
        tenant=values["TENANT_ID"],
        verify=values["DISABLE_SSL_WARNINGS"].lower() not in {"true", "1", "yes", "on"},
        timeout=_timeout(),
    )


def folder() -> Path:
    named = os.environ.get("SNAPI_CLI_CONFIG_DIR", "").strip()
    try:
        return Path(named).expanduser() if named else Path.home() / ".snapi"
    except RuntimeError:
        raise WrongUsage("The home folder is not known; set SNAPI_CLI_CONFIG_DIR.") from None


def read_file() -> dict[str, str]:
    """What `config.json` says; nothing when there is none yet."""
    path = folder() / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongUsage(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"{path} is not JSON ({error}); correct it or delete it.") from None
    if not isinstance(content, dict):
        raise WrongUsage(f"{path} must hold a JSON object; correct it or delete it.")
    return {name: "" if value is None else str(value) for name, value in content.items()}


def save(changes: Mapping[str, str]) -> Path:
    """Write `config.json` with these values changed: a new file in the old one's place, or nothing."""
    path = folder() / "config.json"
    content = json.dumps(DEFAULTS | read_file() | dict(changes), indent=2) + "\n"
    with _new(path) as draft:
        draft.write_text(content, encoding="utf-8")
    return path


def save_key(key: str) -> Path:
    """Write `secret.txt` anew, for nobody else to read."""
    path = folder() / "secret.txt"
    with _new(path) as draft:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(f"{key}\n")
    return path


@contextlib.contextmanager
def _new(path: Path) -> Iterator[Path]:
    """The draft that takes the place of the file once it is written; a fault leaves the old one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise WrongUsage(f"{path} cannot be written: {error.strerror}.") from None


def host_address(value: str) -> str:
    """`value` without a trailing slash. Raises `WrongUsage` for what is no http(s) address."""
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s?#]", value.strip()):
        raise WrongUsage(f"The host must be an address like https://studio.example.com, not {value!r}.")
    return value.strip().rstrip("/")


def _key() -> str:
    key = _from_environment("ACCESS_KEY")
    if not key:
        key = _read_secret(folder() / "secret.txt")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise NotSignedIn("The platform API key has characters that no key has; copy it anew.")
    return key


def _read_secret(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise NotSignedIn(f"{path} can be read by others; run: chmod 600 {path}")
            key = file.read().strip()
    except FileNotFoundError:
        raise NotSignedIn(f"Not signed in: write your platform API key to {path} (chmod 600).") from None
    except OSError as error:
        raise NotSignedIn(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise NotSignedIn(f"{path} is not a text file; write your platform API key to it.") from None
    if not key:
        raise NotSignedIn(f"{path} is empty; write your platform API key to it.")
    return key


def _from_environment(name: str) -> str:
    value = os.environ.get(f"SNAPI_{name}", "").strip()
    return value or os.environ.get(ALSO_IN.get(name, ""), "").strip()


def _timeout() -> float:
    value = os.environ.get("SNAPI_TIMEOUT", "").strip()
    try:
        seconds = float(value) if value else DEFAULT_TIMEOUT
    except ValueError:
        seconds = 0
    if not 0 < seconds < 86400:
        raise WrongUsage(f"SNAPI_TIMEOUT must be a number of seconds above 0, not {value!r}.")
    return seconds
