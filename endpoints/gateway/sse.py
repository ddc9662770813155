"""Server-sent events, taken apart as the bytes come."""

LONGEST = 8 * 2**20


class TooLong(ValueError):
    """An event larger than any model server sends."""


def _plain(part: bytes) -> list[bytes]:
    """The data of whole events of one line each, as nearly all come; nothing where there is anything else."""
    if not part.startswith(b"data: ") or not part.endswith(b"\n\n") or b"\r" in part:
        return []
    ends = part.count(b"\n")
    if ends == 2:  # one event, as most come
        return [part[6:-2]]
    events = part[6:-2].split(b"\n\ndata: ")
    return events if ends == 2 * len(events) else []


class Splitter:
    """`feed` returns the data of each event that is complete with these bytes, in order.

    Lines end with LF, CRLF or CR LF split over two reads; comments and other fields are dropped. A line
    `error: …`, as some servers write it, counts as data.
    """

    def __init__(self) -> None:
        self._rest: list[
            bytes
        ] = []  # of a line that is not complete; joined once, however many reads it took
        self._data: list[bytes] = []
        self._size = 0  # of both

    def feed(self, part: bytes) -> list[bytes]:
        """Raises TooLong."""
        if not self._rest and not self._data and len(part) < LONGEST and (events := _plain(part)):
            return events
        events = []
        if b"\n" in part:
            events, part = self._lines(b"".join([*self._rest, part]) if self._rest else part)
            self._rest = []
        if part:
            self._rest.append(part)
            self._size += len(part)
        if self._size > LONGEST:
            raise TooLong
        return events

    def _lines(self, whole: bytes) -> tuple[list[bytes], bytes]:
        """The events in it, and what follows the last end of a line."""
        *lines, rest = whole.split(b"\n")
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line:
                if self._data:
                    events.append(b"\n".join(self._data))
                self._data = []
            elif line.startswith((b"data:", b"error:")):
                self._data.append(line.partition(b":")[2].removeprefix(b" "))
        self._size = sum(map(len, self._data)) if self._data else 0
        return events, rest
