"""The one way in which a start fails: a sentence for the person who typed the command."""


class CannotStart(RuntimeError):
    """`str()` is one clear sentence; `tail` holds the last log lines of the process that failed, if one did."""

    def __init__(self, sentence: str, tail: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.tail = tail or []
