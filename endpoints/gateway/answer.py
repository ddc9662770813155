"""What the answer of an instance looks like: pure, so that any bytes can be tried on it.

Formats may rely on what passes here: choices are objects, their messages, deltas and tool calls too, and an
embedding is a list of numbers for each input.
"""

from typing import Any

import orjson

from endpoints.gateway import errors
from endpoints.gateway.formats import embedding
from endpoints.gateway.formats.call import EMBEDDING, Call, Json, Usage
from endpoints.gateway.sse import Splitter

# An instance that knows our token no longer is not the one we were told of.
NOT_THIS_ONE = {401, 403}
# What a model server may say to our client; any other status of its own stands for the plainest of its kind.
PASSED_ON = {400, 404, 413, 422, 429, 500, 501, 502, 503, 504}
DONE = b"[DONE]"
LONGEST_SENTENCE = 1000
UNKNOWN_FORM = "it is not an answer that OpenAI's API knows"


class Answer:
    """Read by `take` when the call asked for it whole, else part by part with `feed` and, at last, `end`."""

    def __init__(self, call: Call) -> None:
        self.whole: Json = {}
        self.said_usage: Json | None = None  # as the model server counted it
        self.done = False
        self._call = call
        self._splitter = Splitter()
        self._deltas = 0
        self._finished = False
        self._failure: errors.Refused | None = None

    def usage(self) -> Usage:
        """As the instance counted it; where a stream ended before it did, the chunks that came."""
        said = self.said_usage
        if said is None:
            return Usage(0, self._deltas)
        return Usage(_count(said, "prompt_tokens"), _count(said, "completion_tokens"))

    def take(self, content: bytes) -> None:
        """Raises `errors.Refused`."""
        answer = _object(content)
        if answer is None:
            raise errors.broken("it is not JSON")
        if answer.get("error"):
            raise error_in(answer, 502)
        if self._call.path == EMBEDDING:
            answer["data"] = embedding.in_order(answer.get("data"), self._call)
        elif not isinstance(answer.get("choices"), list):
            raise errors.broken("it has no choices")
        self._note(answer)
        self.whole = answer

    def feed(self, part: bytes) -> list[Json]:
        """The chunks that are complete with these bytes.

        Raises `errors.Refused`, at the next call where chunks came before it, and `sse.TooLong`.
        """
        self.check()
        chunks: list[Json] = []
        for data in self._splitter.feed(part):
            if data == DONE:
                self.done = True
                break
            try:
                chunks += self._chunks(data)
            except errors.Refused as refused:
                self._failure = refused
                break
        if not chunks:
            self.check()
        return chunks

    def check(self) -> None:
        """Raises what `feed` still has to say."""
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """No more will come. Raises 502 where the instance has not said that it is finished."""
        self.check()
        if not self._finished and not (self.done and self._deltas):
            raise errors.broken("it ended early")

    def _chunks(self, data: bytes) -> list[Json]:
        """The event's chunk; nothing for an event that is about something else."""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise errors.broken("it sent what is not JSON") from None
        if not isinstance(chunk, dict):
            raise errors.broken("it sent what is not an object")
        if chunk.get("error") or chunk.get("object") == "error":
            raise error_in(chunk, 502)
        if not isinstance(chunk.get("choices"), list):
            return []
        self._note(chunk)
        return [chunk]

    def _note(self, answer: Json) -> None:
        """Takes down what is told about the answer, wherever a model server puts it. Raises 502."""
        if isinstance(answer.get("usage"), dict):
            self.said_usage = answer["usage"]
        for choice in answer.get("choices") or ():
            if not _is_sound(choice):
                raise errors.broken(UNKNOWN_FORM)
            self._deltas += 1
            self._finished = self._finished or bool(choice.get("finish_reason"))


def error_in(body: Json | None, status: int) -> errors.Refused:
    """An error object in whatever form the runtime has: `{"error": {…} | "…"}`, or message and code beside it."""
    body, said_status = body or {}, status
    said: Any = body.get("error")
    said = said if isinstance(said, dict) else {"message": said or body.get("message") or body.get("detail")}
    code = said.get("code")
    if status == 502 and isinstance(code, int) and 400 <= code <= 599 and code not in NOT_THIS_ONE:
        status = code
    if status not in PASSED_ON:
        status = 400 if 400 <= status < 500 else 502
    sentence = said.get("message")
    if not isinstance(sentence, str) or not sentence:
        sentence = f"The instance answered {said_status}."
    wait = 1 if status in {429, 503} else None
    param = said.get("param")
    return errors.Refused(
        status,
        "instance_refused" if status < 500 else "instance_failed",
        sentence[:LONGEST_SENTENCE],
        param=param if isinstance(param, str) else None,
        retry_after=wait,
    )


def error_of(content: bytes, status: int) -> errors.Refused:
    """The same for the body of an answer that is no success."""
    return error_in(_object(content), status)


def _object(content: bytes) -> Json | None:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _is_sound(choice: object) -> bool:
    if not isinstance(choice, dict) or not isinstance(choice.get("finish_reason"), str | None):
        return False
    return _is_sound_part(choice.get("delta")) and _is_sound_part(choice.get("message"))


def _is_sound_part(said: object) -> bool:
    """What a choice says: an object, or nothing; so are its tool calls and their functions."""
    if said is None:
        return True
    if not isinstance(said, dict):
        return False
    calls = said.get("tool_calls")
    return not calls or (isinstance(calls, list) and all(map(_is_tool_call, calls)))


def _is_tool_call(call: object) -> bool:
    return (
        isinstance(call, dict)
        and isinstance(call.get("index"), int | None)
        and isinstance(call.get("id"), str | None)
        and isinstance(function := call.get("function"), dict | None)
        and isinstance((function or {}).get("name"), str | None)
        and isinstance((function or {}).get("arguments"), str | dict | None)
    )


def _count(usage: Json, name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) and count >= 0 else 0
