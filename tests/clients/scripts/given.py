"""What every script is given, and how it tells a check. Standard library only: it runs in each client's environment.

A script prints `ok <part>: <what>` or `FAILED <part>: <what>: <why>` for every check, goes on after a failure,
and ends with `done`.
"""

import json
import os
import traceback
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

URL = os.environ["URL"]
ASKED = "How do I revoke an API key?"
ASKED_TOO = "What is an RDU?"
SYSTEM = "Answer questions about Studio."
MESSAGES = [{"role": "user", "content": ASKED}]
TEXTS = ["a revoked key", "an endpoint waits for RDUs", "the gateway streams"]
WRONG_KEY = "11111111-1111-4111-8111-111111111111"
WRONG_MODEL = "no-such-model"
A_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@dataclass(frozen=True)
class Endpoint:
    project: str
    id: str
    key: str
    model: str

    @property
    def tail(self) -> str:
        return f"{self.project}/{self.id}"

    @property
    def v1(self) -> str:
        return f"{URL}/api/predict/generic/{self.tail}"

    @property
    def v2(self) -> str:
        return f"{URL}/api/v2/predict/generic/{self.tail}"

    @property
    def nlp(self) -> str:
        return f"{URL}/api/predict/nlp/{self.tail}"

    @property
    def bases(self) -> dict[str, str]:
        """The OpenAI base URLs."""
        return {
            "/v1/P/E": f"{URL}/v1/{self.tail}",
            "/openai/v1/P/E": f"{URL}/openai/v1/{self.tail}",
            "/v1/E": f"{URL}/v1/{self.id}",
        }

    @property
    def base(self) -> str:
        return self.bases["/v1/P/E"]


def chat() -> Endpoint:
    return _endpoint("CHAT")


def embedding() -> Endpoint:
    """Raises LookupError with the reason where there is no such endpoint."""
    return _endpoint("EMBEDDING")


def other_key() -> str:
    """A good key of another endpoint."""
    return os.environ["OTHER_KEY"]


def _endpoint(part: str) -> Endpoint:
    if missing := os.environ.get(f"{part}_MISSING"):
        raise LookupError(f"missing: {missing}")
    said = (os.environ[f"{part}_{name}"] for name in ("PROJECT", "ENDPOINT", "KEY", "MODEL"))
    return Endpoint(*said)


@contextmanager
def check(part: str, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as failure:
        told = " ".join(f"{type(failure).__name__}: {failure}".split())
        print(f"FAILED {part}: {what}: {told[:1500]}", flush=True)
        if not isinstance(failure, LookupError):
            traceback.print_exc()
    else:
        print(f"ok {part}: {what}", flush=True)


def done() -> None:
    print("done", flush=True)


# --- what must hold -------------------------------------------------------------------------------------


def same(found: Any, wanted: Any) -> None:
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def is_text(text: object) -> str:
    assert isinstance(text, str), f"no text: {text!r}"
    assert len(text.split()) > 3, f"hardly a sentence: {text!r}"
    return text


def streamed(pieces: Sequence[str], whole: str) -> None:
    """What came in pieces is what came whole, and it came in several of them."""
    same("".join(pieces), is_text(whole))
    assert sum(map(bool, pieces)) >= 5, f"only {pieces!r}"


def counts(prompt: int, completion: int, total: int) -> None:
    """Tokens."""
    assert prompt > 0, f"{prompt} tokens of prompt"
    assert completion > 0, f"{completion} tokens of completion"
    same(total, prompt + completion)


def cut_at(whole: str) -> tuple[str, str]:
    """A word from the middle of a text to stop at, and what is to be left of it."""
    words = whole.split()
    stop = words[len(words) // 2]
    return stop, whole[: whole.index(stop)]


def cut(text: str, whole: str) -> None:
    """Blanks at the end do not count: some servers keep the one before the stop, some do not."""
    same(text.rstrip(), cut_at(whole)[1].rstrip())


def refused(
    kind: type[BaseException], call: Callable[[], object], *, status: int | None = None, says: str = ""
) -> Any:
    """The client's own exception of this kind; `status` is looked for on it, or in what it says."""
    try:
        answer = call()
    except kind as raised:
        refusal = raised
    else:
        raise AssertionError(f"not refused: {answer!r}")
    if status is not None:
        told = getattr(refusal, "status_code", None)
        assert told == status or (told is None and str(status) in str(refusal)), repr(refusal)
    assert says in str(refusal), f"{says!r} is not said in {refusal}"
    return refusal


def embeds(embed: Callable[[list[str]], list[list[float]]]) -> list[list[float]]:
    """One vector per text, in the texts' order, each the same in whatever company; the platform's own."""
    vectors = embed(TEXTS)
    same(len(vectors), len(TEXTS))
    for vector, turned, plain in zip(vectors, reversed(embed(TEXTS[::-1])), _asked_plainly(), strict=True):
        alike(vector, turned)
        alike(vector, plain)
    alike(embed(TEXTS[:1])[0], vectors[0])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not close(vectors[one], vectors[other]), f"texts {one} and {other} have the same vector"
    return vectors


@cache
def _asked_plainly() -> list[list[float]]:
    """Without any client."""
    place = embedding()
    body = json.dumps({"instances": TEXTS}).encode()
    headers = {"key": place.key, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(place.v1, body, headers), timeout=30) as answer:
        return json.load(answer)["predictions"]


def alike(vector: Sequence[float], other: Sequence[float]) -> None:
    same(len(vector), len(other))
    assert close(vector, other), f"{list(vector)[:4]}… is not {list(other)[:4]}…"


def close(vector: Sequence[float], other: Sequence[float]) -> bool:
    """Up to what a batch of another size does to the last digits."""
    pairs = zip(vector, other, strict=True)
    return all(abs(one - another) < 1e-3 for one, another in pairs)
