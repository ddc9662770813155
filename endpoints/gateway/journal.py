"""Usage that is not in the database yet, kept on disk: whoever is killed loses what it counted since the last write.

Each run of a gateway has a folder of its own below the spool, named by its id and locked while it runs. Batch `n` lies
in the file `n.rows` as frames (length, rows), appended about once a second; the sum of its frames is what is handed
over. One batch is under way at a time while the next one gathers. The folder of a run that ended is taken over by the
next gateway that finds it, which hands over what it holds under the old id, so that nothing is counted twice.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from endpoints.usage.wire import Batch, Row

log = structlog.get_logger()

SUFFIX = ".rows"
LOCK = "lock"
LENGTH = 4  # bytes of a frame's length
MOST_BYTES = 32 * 2**20  # of a file; then its frames are added up into one
MOST_ROWS = 20_000  # of a batch that gathers; then its older minutes become hours

Place = tuple[str, str, int]


class Journal:
    """The batches of one run. `folder` None keeps them in memory only."""

    def __init__(self, gateway: str, folder: Path | None) -> None:
        self.gateway = gateway
        self.under_way: Batch | None = None
        self._folder = folder
        self._gathered: dict[Place, Row] = {}
        self._number = 1  # of the batch that gathers
        self._waiting: list[Batch] = []  # of a run that ended: sealed, not yet under way
        self._whole = True  # the file holds all that is gathered
        self._handle: int | None = None

    # ----- a run of our own -------------------------------------------------------------------------------

    @classmethod
    def begun(cls, gateway: str, spool: Path | None) -> "Journal":
        """A new run. Where the spool cannot be written usage is kept in memory, and the log says so."""
        if spool is None:
            return cls(gateway, None)
        folder = spool / gateway
        try:
            folder.mkdir(mode=0o700, parents=True)
            journal = cls(gateway, folder)
            journal._handle = _locked(folder)
        except OSError as error:
            log.error("usage is kept in memory only", spool=str(spool), reason=error.strerror)
            return cls(gateway, None)
        return journal

    def append(self, rows: Iterable[Row]) -> None:
        """Adds to the batch that gathers, and writes it down."""
        rows = list(rows)
        _add(self._gathered, rows)
        if len(self._gathered) > MOST_ROWS:
            self._gathered = coarsened(self._gathered.values())
            self._whole = False
        if self._folder is not None:
            self._write(self._folder / f"{self._number}{SUFFIX}", rows)

    def _write(self, file: Path, rows: list[Row]) -> None:
        try:
            if self._whole and (not file.exists() or file.stat().st_size < MOST_BYTES):
                with file.open("ab") as output:
                    output.write(_frame(rows))
            else:
                fresh = file.with_suffix(".new")
                fresh.write_bytes(_frame(list(self._gathered.values())))
                fresh.replace(file)
            self._whole = True
        except OSError as error:
            if self._whole:
                log.error("usage not written to disk", folder=str(self._folder), reason=error.strerror)
            self._whole = False  # a part of the frame may stand there: the next write replaces the file

    # ----- handing over -----------------------------------------------------------------------------------

    def next_batch(self) -> Batch | None:
        """The batch to hand over now; the same one until it is `taken`."""
        if self.under_way is None and self._waiting:
            self.under_way = self._waiting.pop(0)
        elif self.under_way is None and self._gathered:
            self.under_way = Batch(self.gateway, self._number, list(self._gathered.values()))
            self._gathered, self._whole = {}, True
            self._number += 1
        return self.under_way

    def taken(self, number: int) -> None:
        """Control has all up to this number in the database."""
        if self.under_way is not None and self.under_way.number <= number:
            if self._folder is not None:
                (self._folder / f"{self.under_way.number}{SUFFIX}").unlink(missing_ok=True)
            self.under_way = None

    @property
    def is_empty(self) -> bool:
        return self.under_way is None and not self._waiting and not self._gathered

    def close(self) -> None:
        """Ends the run. What was not handed over stays for the next gateway that looks into the spool."""
        if self._folder is not None and self.is_empty:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    # ----- runs that ended --------------------------------------------------------------------------------

    @classmethod
    def left_behind(cls, spool: Path | None) -> list["Journal"]:
        """The runs in the spool that nobody holds any more, now held by this process."""
        if spool is None or not spool.is_dir():
            return []
        found = []
        for folder in sorted(path for path in spool.iterdir() if path.is_dir()):
            try:
                journal = cls(folder.name, folder)
                journal._handle = _locked(folder)
            except OSError:
                continue  # its gateway runs, or another one takes it over just now
            journal._waiting = _read_batches(folder)
            found.append(journal)
        return found


def coarsened(rows: Iterable[Row]) -> dict[Place, Row]:
    """The same sums with fewer rows: all but the newest hour's minutes are put at the start of their hour."""
    rows = list(rows)
    newest = max(row.minute for row in rows)
    found: dict[Place, Row] = {}
    for row in rows:
        if row.minute <= newest - 60:
            row.minute -= row.minute % 60
        _add(found, [row])
    return found


def _add(gathered: dict[Place, Row], rows: Iterable[Row]) -> None:
    for row in rows:
        known = gathered.get(row.place)
        if known is None:
            gathered[row.place] = msgspec.convert(msgspec.to_builtins(row), Row)  # nobody else's to change
        else:
            known.add(row)


def _frame(rows: list[Row]) -> bytes:
    content = msgspec.msgpack.encode(rows)
    return len(content).to_bytes(LENGTH, "big") + content


def _read_batches(folder: Path) -> list[Batch]:
    """In the order of their numbers; a frame that its writer did not finish is left out."""
    numbered = sorted((int(path.stem), path) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())
    found = []
    for number, path in numbered:
        gathered: dict[Place, Row] = {}
        for rows in _frames(path.read_bytes()):
            _add(gathered, rows)
        found.append(Batch(folder.name, number, list(gathered.values())))
    return found


def _frames(content: bytes) -> Iterable[list[Row]]:
    at = 0
    while at + LENGTH <= len(content):
        size = int.from_bytes(content[at : at + LENGTH], "big")
        part = content[at + LENGTH : at + LENGTH + size]
        if not size or len(part) < size:
            return
        try:
            yield msgspec.msgpack.decode(part, type=list[Row])
        except msgspec.DecodeError as error:
            log.error("a frame of usage cannot be read", reason=str(error))
            return
        at += LENGTH + size


def _locked(folder: Path) -> int:
    """Raises OSError (EWOULDBLOCK) while another process holds the folder."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
