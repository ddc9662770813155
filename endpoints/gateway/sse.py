"""Server-sent events, taken apart as the bytes come."""

LONGEST = 8 * 2**20


class TooLong(ValueError):
    """An event larger than any model server sends."""


class Splitter:
    """`feed` returns the data of each event that is complete with these bytes, in order.

    Lines end with LF, CRLF or CR LF split over two reads; comments and other fields are dropped. A line
    `error: …`, as some servers write it, counts as data.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, part: bytes) -> list[bytes]:
        """Raises TooLong."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line:
                if self._data:
                    events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
            elif line.startswith((b"data:", b"error:")):
                value = line.partition(b":")[2].removeprefix(b" ")
                self._data.append(value)
                self._size += len(value)
        if len(self._rest) + self._size > LONGEST:
            raise TooLong
        return events
