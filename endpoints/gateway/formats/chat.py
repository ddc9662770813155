"""What every chat needs, whichever API it came by. Model servers answer 500 to some of its mistakes."""

import orjson

from endpoints.gateway.errors import bad
from endpoints.gateway.formats.call import Json


def messages(value: object, name: str) -> list[Json]:
    """Raises 400; `name` says what the client calls them."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise bad(name, f"{name} must be a list of at least one message object.")
    for index, one in enumerate(value):
        if not isinstance(one.get("role"), str):
            raise bad(f"{name}[{index}].role", f"{name}[{index}].role must be a string, such as 'user'.")
        made = one.get("tool_calls")
        if made is not None and not (isinstance(made, list) and all(isinstance(call, dict) for call in made)):
            raise bad(f"{name}[{index}].tool_calls", f"{name}[{index}].tool_calls must be a list of objects.")
    return value


def tools(value: object, name: str) -> list[Json]:
    """Nothing at all is no tools. Raises 400."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad(name, f"{name} must be a list.")
    for index, tool in enumerate(value):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            wanted = '{"type": "function", "function": {"name": ...}}'
            raise bad(f"{name}[{index}]", f"{name}[{index}] must be an object like {wanted}.")
        tool.setdefault("type", "function")
    return value


class ToolCalls:
    """The tool calls of a streamed answer, put together from what each chunk adds."""

    def __init__(self) -> None:
        self.found: list[Json] = []
        self._places: dict[int, Json] = {}

    def add(self, chunk: Json) -> None:
        for place, said in enumerate(tool_calls_in(chunk)):
            index = said.get("index")
            index = place if index is None else index
            call = self._places.get(index)
            if call is None:
                call = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                self._places[index] = call
                self.found.append(call)
            function = said.get("function") or {}
            call["id"] = call["id"] or said.get("id") or ""
            call["function"]["name"] += function.get("name") or ""
            call["function"]["arguments"] += arguments_of(function)


def tool_calls_in(part: Json) -> list[Json]:
    """Those of an answer or a chunk: what its first choice says."""
    choices = part.get("choices")
    if not choices:
        return []
    said = choices[0].get("message") or choices[0].get("delta") or {}
    return said.get("tool_calls") or []


def arguments_of(function: Json) -> str:
    """As a string; some servers write the object itself."""
    said = function.get("arguments")
    if isinstance(said, dict):
        return orjson.dumps(said).decode()
    return said or ""
