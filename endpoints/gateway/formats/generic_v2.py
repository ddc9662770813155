"""Generic API v2: items with ids, in one request or one stream; streams are newline-delimited JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import generic, params
from endpoints.gateway.formats.call import Call, Exchange, Json, Write
from endpoints.wire import Route


@dataclass(frozen=True, slots=True)
class GenericV2:
    name: str
    stream: bool
    media: bytes = generic.MEDIA

    def read(self, body: bytes, route: Route) -> "Asked":
        said = calls.read_object(body)
        chosen = params.read(said.get("params"))
        items = _items(said)
        made = [
            generic.call_for(prompt, f"items[{index}].value", chosen, route, stream=self.stream)
            for index, prompt in enumerate(items.values())
        ]
        return Asked(made, self.stream, items)

    def refusal(self, refused: errors.Refused) -> Json:
        return errors.generic_body(refused)

    def broken(self, refused: errors.Refused) -> bytes:
        return generic.line(errors.generic_body(refused))


PREDICT = GenericV2("generic_v2", stream=False)
STREAM = GenericV2("generic_v2_stream", stream=True)


@dataclass(slots=True)
class Asked:
    calls: Sequence[Call]
    stream: bool
    items: dict[str, str]  # id → prompt, in the client's order

    @property
    def model_name(self) -> str:
        return calls.model_of(self.calls)

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        pairs = zip(self.items.items(), exchanges, strict=True)
        return {"items": [_item(id, prompt, exchange) for (id, prompt), exchange in pairs]}

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> generic.Telling:
        """The items' streams as they come, each line with its item's id."""
        ids = list(self.items)

        def line(place: int, value: Json) -> bytes:
            return generic.line({"result": {"items": [{"id": ids[place], "value": value}]}})

        return generic.Telling(list(self.items.values()), exchanges, write, line)


def _item(id: str, prompt: str, exchange: Exchange) -> Json:
    value = generic.told_of(prompt, exchange)
    if isinstance(value, dict):
        value["model_execution_time"] = exchange.clock.whole()
    return {"id": id, "partial": False, "value": value, "params": {}, "status": None}


def _items(said: Json) -> dict[str, str]:
    """Prompts by id. Raises 400 for an id that is double or holds a `#`."""
    raw = said.get("items")
    if raw is None and isinstance(said.get("instance"), str):
        raw = [{"value": said["instance"]}]  # as an old client calls the stream
    if not isinstance(raw, list) or not raw:
        raise errors.bad("items", 'items must be a list of objects like {"id": ..., "value": ...}.')
    if len(raw) > generic.MOST_PROMPTS:
        raise errors.bad("items", f"At most {generic.MOST_PROMPTS} items in one request.")
    found: dict[str, str] = {}
    for index, item in enumerate(raw):
        id, value = _one_item(index, item)
        if id in found:
            raise errors.bad(f"items[{index}].id", f"The id {id[:100]!r} is used twice.")
        found[id] = value
    return found


def _one_item(index: int, item: object) -> tuple[str, str]:
    where = f"items[{index}]"
    if not isinstance(item, dict) or not isinstance(item.get("value"), str):
        raise errors.bad(f"{where}.value", "Each item must be an object with a string as its value.")
    id = item.get("id")
    if id is None:
        id = index
    if isinstance(id, bool) or not isinstance(id, str | int) or "#" in str(id):
        raise errors.bad(f"{where}.id", "An id must be a string without '#'.")
    return str(id), item["value"]
