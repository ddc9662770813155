"""Which instance saw a prompt's beginning: there the model server need not read it again.

A prompt is cut into blocks from its start, each block's digest covering all before it. An instance that was asked is
remembered for every block of the prompt; the next prompt prefers the instance that saw most of it. What is remembered
is bounded, and only a preference: the fleet decides how much imbalance it is worth.
"""

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b

from endpoints.gateway.formats.call import Call

BLOCK = 256  # characters; a beginning shorter than one block is not worth a preference
MOST_BLOCKS = 16
MOST_REMEMBERED = 20_000  # blocks, of all endpoints together


class Affinity:
    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._saw: OrderedDict[bytes, str] = OrderedDict()  # digest of a beginning → instance

    def preferred(self, blocks: list[bytes]) -> str | None:
        """The instance that saw the longest of these beginnings."""
        for block in reversed(blocks):
            instance = self._saw.get(block)
            if instance is not None:
                return instance
        return None

    def note(self, blocks: list[bytes], instance: str) -> None:
        for block in blocks:
            self._saw[block] = instance
            self._saw.move_to_end(block)
        while len(self._saw) > self._most:
            self._saw.popitem(last=False)

    def __len__(self) -> int:
        return len(self._saw)


def beginnings(endpoint: str, call: Call) -> list[bytes]:
    """The digests of the prompt's beginnings, shortest first; those of two endpoints never meet."""
    text = _beginning(call)
    found, digest = [], blake2b(endpoint.encode(), digest_size=16)
    for end in range(BLOCK, len(text) + 1, BLOCK):
        digest.update(text[end - BLOCK : end].encode("utf-8", "surrogatepass"))
        found.append(digest.copy().digest())
    return found


def _beginning(call: Call) -> str:
    """As much of the prompt as counts."""
    text, most = "", BLOCK * MOST_BLOCKS
    for part in _parts(call):
        text += part
        if len(text) >= most:
            return text[:most]
    return text


def _parts(call: Call) -> Iterator[str]:
    prompt = call.body.get("prompt")
    if isinstance(prompt, str):
        yield prompt
    messages = call.body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        yield f"\n{message.get('role')}:"
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (part["text"] for part in content if _has_text(part))


def _has_text(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
