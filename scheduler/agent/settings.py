"""What the agent is told by its environment. See `docs/operating.md` for the list."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import studio
from scheduler.agent import disk
from studio import env, seal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Settings:
    node: str
    folder: Path  # the agent's state
    token: seal.Secret  # what the operator was given for this node
    store: Path  # where checkpoints lie
    address: str  # model servers listen here
    lifeline: str  # a file that the supervisor holds locked, "" where keepers are on their own
    lifeline_seconds: int

    @property
    def wire_key(self) -> bytes:
        return seal.derive(self.token.reveal(), "node-wire")


def from_environment() -> Settings:
    """Raises `env.BadSetting` with the one sentence to print."""
    node = env.text("STUDIO_NODE")
    if not NAME.fullmatch(node):
        raise env.BadSetting("STUDIO_NODE must name this node: letters, digits, . _ -, at most 63.")
    folder = _folder()
    return Settings(
        node=node,
        folder=folder,
        token=seal.Secret(_token(folder)),
        store=_store(),
        address=env.text("STUDIO_NODE_ADDRESS", "127.0.0.1"),
        lifeline=env.text("STUDIO_LIFELINE"),
        lifeline_seconds=env.number("STUDIO_LIFELINE_SECONDS", 10, least=1, most=3600),
    )


def _folder() -> Path:
    written = env.text("STUDIO_NODE_DIR")
    if not written:
        raise env.BadSetting("STUDIO_NODE_DIR must name the folder for this node's state.")
    folder = Path(written).expanduser().resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise env.BadSetting(f"The state folder {folder} cannot be used: {error.strerror}.") from None
    return folder


def _store() -> Path:
    written = env.text("STUDIO_STORE")
    store = Path(written).expanduser() if written else Path(studio.__file__).parent / "hub" / "shipped"
    return store.resolve()


def _token(folder: Path) -> str:
    """From the named 0600 file; "-" reads standard input once and keeps it in the state folder."""
    written = env.text("STUDIO_NODE_TOKEN_FILE")
    if not written:
        raise env.BadSetting('STUDIO_NODE_TOKEN_FILE must name the file with the join token, or be "-".')
    path = folder / "token" if written == "-" else Path(written).expanduser()
    said = sys.stdin.readline().strip() if written == "-" else ""
    if said:
        disk.write(str(path), said.encode())
        return said
    try:
        shared = path.stat().st_mode & 0o077
        token = path.read_text().strip()
    except OSError as error:
        raise env.BadSetting(f"The join token {path} cannot be read: {error.strerror}.") from None
    if shared:
        raise env.BadSetting(f"The join token {path} can be read by others; run: chmod 600 {path}")
    if not token:
        raise env.BadSetting(f"The join token {path} is empty.")
    return token
