"""Generic API v1: texts in, completions out; streams are newline-delimited JSON."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import generic, params
from endpoints.gateway.formats.call import Call, Exchange, Json, Write
from endpoints.wire import Route


@dataclass(frozen=True, slots=True)
class GenericV1:
    name: str
    stream: bool
    media: bytes = generic.MEDIA

    def read(self, body: bytes, route: Route) -> "Asked":
        said = calls.read_object(body)
        chosen = params.read(said.get("params"))
        prompts = _instances(said, one=self.stream)
        made = [
            generic.call_for(prompt, _name(index, one=self.stream), chosen, route, stream=self.stream)
            for index, prompt in enumerate(prompts)
        ]
        return Asked(made, self.stream, prompts)

    def refusal(self, refused: errors.Refused) -> Json:
        return errors.generic_body(refused)

    def broken(self, refused: errors.Refused) -> bytes:
        return generic.line(errors.generic_body(refused))


PREDICT = GenericV1("generic_v1", stream=False)
STREAM = GenericV1("generic_v1_stream", stream=True)


@dataclass(slots=True)
class Asked:
    calls: Sequence[Call]
    stream: bool
    prompts: list[str]
    began: float = field(default_factory=time.perf_counter)

    @property
    def model_name(self) -> str:
        return calls.model_of(self.calls)

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        status = {
            "complete": True,
            "exitCode": 0,
            "elapsedTime": time.perf_counter() - self.began,
            "message": "",
            "progress": 1,
            "progressMessage": "",
            "reason": "",
        }
        told = [generic.told_of(*pair) for pair in zip(self.prompts, exchanges, strict=True)]
        return {"status": status, "predictions": told}

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> generic.Telling:
        return generic.Telling(self.prompts, exchanges, write, _line)


def _line(_place: int, value: Json) -> bytes:
    return generic.line({"result": {"responses": [value]}})


def _instances(said: Json, *, one: bool) -> list[str]:
    """`instances`, or the stream's `instance`; each spelling is taken on both paths."""
    found = said.get("instances")
    if found is None and "instance" in said:
        found = [said["instance"]]
    name = "instance" if one else "instances"
    if not isinstance(found, list) or not found:
        raise errors.bad(
            name, "instance must be a string." if one else "instances must be a list of strings."
        )
    if one and len(found) > 1:
        raise errors.bad(name, "A stream answers one instance.")
    if len(found) > generic.MOST_PROMPTS:
        raise errors.bad(name, f"At most {generic.MOST_PROMPTS} instances in one request.")
    for index, prompt in enumerate(found):
        if not isinstance(prompt, str):
            raise errors.bad(_name(index, one=one), "Each instance must be a string.")
    return found


def _name(index: int, *, one: bool) -> str:
    return "instance" if one else f"instances[{index}]"
