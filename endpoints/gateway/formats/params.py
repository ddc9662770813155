"""Parameters of the generic APIs, in every spelling the clients use.

v1 wraps each as `{"type", "value"}` with a string for the value ("True", "0.7", "['a', 'b']"); v2 sends plain
JSON; both are taken everywhere. Unknown names and nulls are ignored.
"""

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from endpoints.gateway.errors import bad
from endpoints.gateway.formats.call import Json

MOST_TOKENS = 2**31 - 1
LONGEST_LIST = 20_000  # characters of a list spelled as a string
TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Params:
    """None where the client said nothing. `do_sample` false is greedy, whatever else was said."""

    select_expert: str | None = None
    process_prompt: bool = False
    max_tokens: int | None = None
    do_sample: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: list[str] = field(default_factory=list)

    def sampling(self) -> Json:
        """The same for a model server. Two spellings of the penalty: each server takes the one it knows."""
        greedy = {"temperature": 0.0}
        sampled = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        said: Json = {
            "max_tokens": self.max_tokens,
            **(sampled if self.do_sample else greedy),
            "repetition_penalty": self.repetition_penalty,
            "repeat_penalty": self.repetition_penalty,
            "stop": self.stop or None,
        }
        return {name: value for name, value in said.items() if value is not None}


def read(raw: object) -> Params:
    """Raises 400 that names the parameter."""
    if raw is None:
        return Params()
    if not isinstance(raw, dict):
        raise bad("params", "params must be an object of parameters.")
    found: dict[str, Any] = {}
    for name, (kept_as, reader) in READERS.items():
        value = _unwrapped(raw.get(name))
        if value is not None:
            found.setdefault(kept_as, reader(name, value))
    return Params(**found)


def _unwrapped(value: object) -> object:
    """The value itself; None where the client said nothing, as None, as Python's word for it, or as blank."""
    if isinstance(value, dict) and "value" in value:
        value = value["value"]
    if isinstance(value, str) and value.strip() in {"", "None", "null"}:
        return None
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise bad(name, f"{name} must be a string.")
    return value


def _flag(name: str, value: object) -> bool:
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise bad(name, f"{name} must be true or false.")


def _number(name: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise bad(name, f"{name} must be a number.") from None
    if not math.isfinite(number):
        raise bad(name, f"{name} must be a finite number.")
    return number


def _between(least: float, most: float) -> Callable[[str, object], float]:
    def reader(name: str, value: object) -> float:
        number = _number(name, value)
        if not least <= number <= most:
            raise bad(name, f"{name} must be between {least:g} and {most:g}, not {number:g}.")
        return number

    return reader


def _whole(least: int, most: int) -> Callable[[str, object], int]:
    def reader(name: str, value: object) -> int:
        number = _number(name, value)
        if number != int(number):
            raise bad(name, f"{name} must be a whole number.")
        if not least <= number <= most:
            raise bad(name, f"{name} must be between {least} and {most}, not {int(number)}.")
        return int(number)

    return reader


def _texts(name: str, value: object) -> list[str]:
    """A list, a list spelled as JSON or as Python spells it, or one text that stands for itself."""
    if isinstance(value, str):
        value = _spelled_list(name, value)
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise bad(name, f"{name} must be a list of strings.")
    return [text for text in value if text]


def _spelled_list(name: str, text: str) -> object:
    if not text.lstrip().startswith(("[", "(")):
        return [text]
    if len(text) > LONGEST_LIST:
        raise bad(name, f"{name} is too long.")
    for parse in (orjson.loads, ast.literal_eval):
        try:
            parsed = parse(text.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(parsed, list | tuple):
            return parsed
    return [text]


# The client's name → the field it fills and how it is read; the first of two names for one field wins.
READERS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "select_expert": ("select_expert", _text),
    "process_prompt": ("process_prompt", _flag),
    "max_tokens_to_generate": ("max_tokens", _whole(1, MOST_TOKENS)),
    "max_new_tokens": ("max_tokens", _whole(1, MOST_TOKENS)),
    "max_tokens": ("max_tokens", _whole(1, MOST_TOKENS)),
    "do_sample": ("do_sample", _flag),
    "temperature": ("temperature", _between(0, 1)),
    "top_p": ("top_p", _between(0, 1)),
    "top_k": ("top_k", _whole(1, 100)),
    "repetition_penalty": ("repetition_penalty", _between(1, 10)),
    "stop_sequences": ("stop", _texts),
}
