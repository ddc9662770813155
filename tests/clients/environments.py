"""A virtual environment per client in `.venv-clients/<client>`, made anew when its requirements have changed."""

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv-clients"
REQUIREMENTS = Path(__file__).parent / "requirements"
AT_ONCE = 2
INSTALL_SECONDS = 1200


def start_building(clients: list[str]) -> dict[str, Future[Path]]:
    """Each client's interpreter, as soon as its environment is complete. Raises RuntimeError with what was printed."""
    pool = ThreadPoolExecutor(AT_ONCE)
    building = {client: pool.submit(python_of, client) for client in clients}
    pool.shutdown(wait=False)
    return building


def python_of(client: str) -> Path:
    """The interpreter of an environment that is there and complete."""
    folder = ENVIRONMENTS / client
    python = folder / "bin" / "python"
    if not is_complete(client):
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _install(python, REQUIREMENTS / f"{client}.txt")
        _stamp(client).write_text(_digest(client))
    return python


def is_complete(client: str) -> bool:
    """Built from these requirements to the end: the stamp is written last."""
    stamp = _stamp(client)
    return stamp.exists() and stamp.read_text() == _digest(client)


def version_of(client: str) -> str:
    """The version installed of what the requirements name first."""
    package = (REQUIREMENTS / f"{client}.txt").read_text().partition("==")[0].strip()
    path = [str(site) for site in (ENVIRONMENTS / client).glob("lib/python*/site-packages")]
    return next((found.version for found in distributions(name=package, path=path)), "not installed")


def _stamp(client: str) -> Path:
    return ENVIRONMENTS / client / "requirements.sha256"


def _digest(client: str) -> str:
    told = (REQUIREMENTS / f"{client}.txt").read_bytes() + sys.version.encode()
    return hashlib.sha256(told).hexdigest()


def _install(python: Path, requirements: Path) -> None:
    """uv is several times faster where it works; where it is absent or cannot reach its index, pip does the same."""
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-r", str(requirements)])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=INSTALL_SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
