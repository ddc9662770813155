"""What can go wrong, each with the exit code that scripts rely on and one sentence for the person."""

from typing import Any


class SnapiError(Exception):
    exit_code = 1

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Refused(SnapiError):
    """The server said no. `answer` is its body as it came: `{code, message, fields}`."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(str(answer["message"]))
        self.status = status
        self.answer = answer
        if status == 401:
            self.exit_code = NotSignedIn.exit_code


class NotReached(SnapiError):
    """What was asked for was accepted, but did not come true."""


class WrongUsage(SnapiError):
    exit_code = 2


class Unreachable(SnapiError):
    """No answer, or an answer that is not Studio's (a proxy's page, another server)."""

    exit_code = 3


class BrokenOff(Unreachable):
    """The connection broke before the answer was complete; what was asked for may have been done."""


class NotSignedIn(SnapiError):
    exit_code = 4
