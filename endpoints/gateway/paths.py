"""Which paths are the gateway's own, and what each asks for."""

import msgspec

from endpoints.gateway.formats import generic_v1, generic_v2, nlp, openai, openai_embeddings, responses
from endpoints.gateway.formats.call import Dialect

OWN = ("/v1/", "/openai/v1/", "/api/predict/", "/api/v2/predict/")
PREDICT: dict[str, Dialect] = {
    "/api/predict/generic/stream/": generic_v1.STREAM,
    "/api/predict/generic/": generic_v1.PREDICT,
    "/api/v2/predict/generic/stream/": generic_v2.STREAM,
    "/api/v2/predict/generic/": generic_v2.PREDICT,
    "/api/predict/nlp/stream/": nlp.STREAM,
    "/api/predict/nlp/": nlp.PREDICT,
}
OPENAI: dict[str, Dialect] = {
    "chat/completions": openai.CHAT_COMPLETIONS,
    "completions": openai.COMPLETIONS,
    "embeddings": openai_embeddings.EMBEDDINGS,
    "models": openai.MODELS,
}


class Match(msgspec.Struct, frozen=True):
    """`project` is None on the base path that names the endpoint only; `model` is the one asked about, or ""."""

    dialect: Dialect
    endpoint: str
    project: str | None = None
    model: str = ""

    @property
    def method(self) -> str:
        return "GET" if self.dialect is openai.MODELS else "POST"


def is_own(path: str) -> bool:
    return path.startswith(OWN)


def voice(path: str) -> Dialect:
    """Who speaks where nothing matches."""
    return generic_v1.PREDICT if path.startswith("/api/") else openai.CHAT_COMPLETIONS


def match(path: str) -> Match | None:
    """None where the gateway has nothing."""
    for prefix in ("/v1/", "/openai/v1/"):
        if path.startswith(prefix):
            return _openai(path.removeprefix(prefix))
    for prefix, dialect in PREDICT.items():
        if path.startswith(prefix):
            return _predict(path.removeprefix(prefix), dialect)
    return None


def _predict(rest: str, dialect: Dialect) -> Match | None:
    project, _, endpoint = rest.removesuffix("/").partition("/")
    if not project or not endpoint or "/" in endpoint:
        return None
    return Match(dialect, endpoint.lower(), project.lower())


def _openai(rest: str) -> Match | None:
    """`P/E/tail` or `E/tail`; what follows `models/` is one name, slashes and all."""
    first, _, after_first = rest.partition("/")
    second, _, after_second = after_first.partition("/")
    for tail, endpoint, project in ((after_first, first, None), (after_second, second, first)):
        dialect = _resource(tail)
        if dialect is not None and endpoint:
            model = tail.removeprefix("models").strip("/") if dialect is openai.MODELS else ""
            return Match(dialect, endpoint.lower(), project.lower() if project else None, model)
    return None


def _resource(tail: str) -> Dialect | None:
    if tail.startswith("models/"):
        return openai.MODELS
    tail = tail.removesuffix("/")
    return responses.Responses() if tail == "responses" else OPENAI.get(tail)
