"""OpenAI's `embeddings`: one call to an instance for all inputs of a request."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import embedding, openai
from endpoints.gateway.formats.call import EMBEDDING, EMBEDS, Call, Exchange, Json, Telling, Write
from endpoints.wire import Route

NOT_PASSED_ON = {"dimensions", "stream", "stream_options"}


@dataclass(frozen=True, slots=True)
class Embeddings:
    name: str = "openai_embeddings"
    media: bytes = openai.MEDIA

    def read(self, body: bytes, route: Route) -> "Asked":
        calls.need(route, EMBEDS)
        said = calls.read_object(body)
        name = openai.named(said, route)
        embedding.checked(said.get("input"))
        encoded = said.get("encoding_format")
        if encoded not in (None, "float", "base64"):
            raise errors.bad("encoding_format", "encoding_format must be 'float' or 'base64'.")
        dimensions = said.get("dimensions")
        if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
            raise errors.bad("dimensions", "dimensions must be a whole number of at least 1.")
        kept = {field: value for field, value in said.items() if field not in NOT_PASSED_ON}
        call = Call(EMBEDDING, kept | embedding.body_for(name.model, said["input"]), stream=False)
        return Asked([call], name, encoded == "base64", dimensions)

    def refusal(self, refused: errors.Refused) -> Json:
        return errors.openai_body(refused)

    def broken(self, refused: errors.Refused) -> bytes:
        return openai.event(errors.openai_body(refused))


EMBEDDINGS = Embeddings()


@dataclass(slots=True)
class Asked:
    calls: Sequence[Call]
    name: openai.Name
    as_base64: bool
    dimensions: int | None
    stream: bool = False

    @property
    def model_name(self) -> str:
        return self.name.model

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        (exchange,) = exchanges
        answer = exchange.answer
        vectors = [one["embedding"] for one in answer["data"]]
        self._check_dimensions(vectors)
        prompt = exchange.usage().prompt
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": self._encoded(vector)}
                for index, vector in enumerate(vectors)
            ],
            "model": self.name.in_answer(answer),
            "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
        }

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> Telling:
        raise AssertionError("nothing streams embeddings: they come at once")

    def _check_dimensions(self, vectors: list[embedding.Vector]) -> None:
        """Only the answer shows how many there are; a model cannot be asked for another number."""
        has = len(vectors[0])
        if self.dimensions not in (None, has):
            raise errors.bad(
                "dimensions", f"This model's embeddings have {has} dimensions; ask for {has} or none."
            )

    def _encoded(self, vector: embedding.Vector) -> embedding.Vector | str:
        return base64.b64encode(embedding.packed(vector)).decode() if self.as_base64 else vector
