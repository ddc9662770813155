"""What every chat needs, whichever API it came by. Model servers answer 500 to some of its mistakes."""

from endpoints.gateway.errors import bad
from endpoints.gateway.formats.call import Json


def messages(value: object, name: str) -> list[Json]:
    """Raises 400; `name` says what the client calls them."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise bad(name, f"{name} must be a list of at least one message object.")
    for index, one in enumerate(value):
        if not isinstance(one.get("role"), str):
            raise bad(f"{name}[{index}].role", f"{name}[{index}].role must be a string, such as 'user'.")
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
