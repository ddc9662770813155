"""The body of OpenAI's `responses` as the chat it stands for. Nothing is stored, so what refers to stored things is
refused."""

from collections.abc import Callable, Sequence
from typing import Any

from endpoints.gateway.errors import bad
from endpoints.gateway.formats.call import Json
from endpoints.gateway.formats.openai import is_number

ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
TEXT_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
TOOL_CHOICES = ("auto", "none", "required")
STORED = {
    "previous_response_id": "Responses are not stored here: send the whole conversation as input",
    "conversation": "Conversations are not stored here: send the whole conversation as input",
    "prompt": "Prompts are not stored here: send the text as instructions and input",
    "background": "A response is answered at once here: leave background out",
}


def chat_body(said: Json) -> Json:
    """Without the model. Raises 400."""
    for name, sentence in STORED.items():
        if said.get(name):
            raise bad(name, f"{sentence}.")
    body: Json = {"messages": messages(said)}
    for field, kept_as, is_right, wanted in SAMPLING:
        value = said.get(field)
        if value is not None:
            if not is_right(value):
                raise bad(field, f"{field} must be {wanted}.")
            body[kept_as] = value
    return body | _tools(said) | _response_format(said)


def messages(said: Json) -> list[Json]:
    """Instructions and input. Raises 400."""
    instructions, asked = said.get("instructions"), said.get("input")
    if not isinstance(instructions, str | None):
        raise bad("instructions", "instructions must be a string.")
    found = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(asked, str):
        return [*found, {"role": "user", "content": asked}]
    if not isinstance(asked, list) or not asked:
        raise bad("input", "input must be a string or a list of at least one item.")
    for index, item in enumerate(asked):
        _add(found, item, f"input[{index}]")
    if all(message["role"] == "system" for message in found):
        raise bad("input", "input must hold at least one message that is no instruction.")
    return found


def _add(found: list[Json], item: object, where: str) -> None:
    if not isinstance(item, dict):
        raise bad(where, f"{where} must be an object.")
    kind = item.get("type") or "message"
    reader = ITEMS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise bad(f"{where}.type", f"{where}.type must be one of {', '.join(ITEMS)}.")
    reader(found, item, where)


def _message(found: list[Json], item: Json, where: str) -> None:
    said = item.get("role")
    role = ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        raise bad(f"{where}.role", f"{where}.role must be one of {', '.join(ROLES)}.")
    found.append({"role": role, "content": _text(item.get("content"), f"{where}.content")})


def _function_call(found: list[Json], item: Json, where: str) -> None:
    """Calls of one turn belong to one message, as chat templates expect it."""
    id, name, arguments = (_string(item, field, where) for field in ("call_id", "name", "arguments"))
    if not found or found[-1]["role"] != "assistant":
        found.append({"role": "assistant", "content": ""})
    call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    found[-1].setdefault("tool_calls", []).append(call)


def _function_output(found: list[Json], item: Json, where: str) -> None:
    content = _text(item.get("output"), f"{where}.output")
    found.append({"role": "tool", "tool_call_id": _string(item, "call_id", where), "content": content})


def _nothing(found: list[Json], item: Json, where: str) -> None:
    """Reasoning of an earlier answer, which clients send back, is not shown to a model again."""


ITEMS: dict[str, Callable[[list[Json], Json, str], None]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _function_output,
    "reasoning": _nothing,
}


def _text(content: object, where: str) -> str:
    """As one string: many chat templates take nothing else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise bad(where, f"{where} must be a string or a list of text parts.")
    return "".join(_part(part, f"{where}[{index}]") for index, part in enumerate(content))


def _part(part: object, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get(TEXT_PARTS[kind]) if isinstance(part, dict) and kind in list(TEXT_PARTS) else None
    if not isinstance(text, str):
        raise bad(where, f'{where} must be text, such as {{"type": "input_text", "text": ...}}.')
    return text


def _string(item: Json, field: str, where: str) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        raise bad(f"{where}.{field}", f"{where}.{field} must be a string.")
    return value


def _tools(said: Json) -> Json:
    """Tools and the choice among them; a choice of one function is all tools but that one left out,
    which every model server understands."""
    tools = said.get("tools")
    if not isinstance(tools, list | None):
        raise bad("tools", "tools must be a list.")
    made = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools or [])]
    choice = said.get("tool_choice") or "auto"
    if not made and choice in ("auto", "none"):
        return {}
    parallel = said.get("parallel_tool_calls")
    rest = {"parallel_tool_calls": parallel} if isinstance(parallel, bool) else {}
    if isinstance(choice, dict) and choice.get("type") == "function":
        made = [tool for tool in made if tool["function"]["name"] == choice.get("name")]
        choice = "required"
    if choice not in TOOL_CHOICES or not made:
        wanted = f"{', '.join(TOOL_CHOICES)}, or name a function of tools"
        raise bad("tool_choice", f"tool_choice must be {wanted}.")
    return {"tools": made, "tool_choice": choice, **rest}


def _tool(tool: object, where: str) -> Json:
    if not isinstance(tool, dict) or not _is_function(tool):
        wanted = '{"type": "function", "name": ..., "parameters": {...}}'
        raise bad(where, f"{where} must be an object like {wanted}; other kinds of tools do not exist here.")
    fields = ("name", "description", "parameters", "strict")
    return {
        "type": "function",
        "function": {name: tool[name] for name in fields if tool.get(name) is not None},
    }


def text_format(said: Json) -> Json:
    """What the answer shall be: text, any JSON, or JSON by a schema. Raises 400."""
    text = said.get("text")
    if not isinstance(text, dict | None):
        raise bad("text", "text must be an object.")
    form: Any = (text or {}).get("format")
    if form is None:
        return {"type": "text"}
    wanted = '{"type": "json_schema", "name": ..., "schema": {...}}'
    refused = bad("text.format", f"text.format must be text, json_object, or an object like {wanted}.")
    if not isinstance(form, dict):
        raise refused
    kind = form.get("type")
    if kind in ("text", "json_object"):
        return {"type": kind}
    if kind != "json_schema" or not isinstance(form.get("schema"), dict) or not _has_kinds(form, DESCRIBED):
        raise refused
    kept = {name: form[name] for name in (*DESCRIBED, "schema") if form.get(name) is not None}
    return {"type": "json_schema", "name": "answer"} | kept


def _response_format(said: Json) -> Json:
    form = text_format(said)
    kind = form.pop("type")
    if kind == "text":
        return {}
    return {"response_format": {"type": kind, "json_schema": form} if form else {"type": kind}}


def _is_function(tool: Json) -> bool:
    is_named = tool.get("type") == "function" and isinstance(tool.get("name"), str)
    return is_named and _has_kinds(tool, DESCRIBED | {"parameters": dict})


DESCRIBED: dict[str, type] = {"name": str, "description": str, "strict": bool}


def _has_kinds(said: Json, kinds: dict[str, type]) -> bool:
    return all(isinstance(said.get(name), kind | None) for name, kind in kinds.items())


def _between(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: is_number(value) and least <= value <= most


# The client's name, the chat's, what is right, and how that is said.
SAMPLING: Sequence[tuple[str, str, Callable[[Any], bool], str]] = (
    (
        "max_output_tokens",
        "max_tokens",
        lambda value: type(value) is int and value >= 1,
        "a whole number of at least 1",
    ),
    ("temperature", "temperature", _between(0, 2), "a number between 0 and 2"),
    ("top_p", "top_p", _between(0, 1), "a number between 0 and 1"),
)
