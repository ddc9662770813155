"""Requests that nobody would send, drawn by Hypothesis, and the endpoints that they are sent to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import orjson
from hypothesis import strategies as st

from endpoints.wire import Route
from tests.gateway import fake, raw
from tests.gateway.control import DELETED, ENDPOINT, OTHER, PROJECT, STOPPED, Control
from tests.gateway.test_bodies import FORMATS, JSON, mutated

EMBEDDING = "66666666-6666-6666-6666-666666666666"
UNKNOWN = "99999999-9999-9999-9999-999999999999"
# Who serves what; an endpoint's words are in its route or its instance's answers, and nobody else's.
CHATS = {"hello": ENDPOINT, "other": OTHER}
SERVING = {**CHATS, "embeds": EMBEDDING}
NAMES = {**SERVING, "stopped": STOPPED}
ENDPOINTS = [*NAMES.values(), DELETED, UNKNOWN]
SLOWEST = 2  # seconds: the endpoints' deadline where tests wait for it


def key_of(name: str) -> str:
    return f"key-of-{name}"


def words_of(name: str) -> list[str]:
    return [f"{kind}-of-{name}" for kind in ("name", "expert", "served", "instance", "said", "sentence")]


def routes(control: Control, instances: Sequence[fake.Instance], deadline: int = SLOWEST) -> list[Route]:
    upstreams = {instance.id: [instance.upstream] for instance in instances}
    made = [
        Route(
            endpoint=endpoint, project=PROJECT, version=1, name=name, model=f"served-of-{name}",
            names=[f"served-of-{name}", "Help", f"name-of-{name}"], experts=["expert", f"expert-of-{name}"],
            task="embedding" if name == "embeds" else "chat",
            status="Stopped" if name == "stopped" else "Live", sentence=f"sentence-of-{name}",
            keys=[control.key(key_of(name))], upstreams=upstreams.get(f"instance-of-{name}", []),
            deadline_seconds=deadline,
        )
        for name, endpoint in NAMES.items()
    ]  # fmt: skip
    return [*made, Route(endpoint=DELETED, project=PROJECT, version=1, deleted=True)]


def number_of(request_id: str) -> float:
    """What stands last in each embedding that is made for this request; one that 32 bits hold exactly."""
    return float(crc32(request_id.encode()) >> 8)


def says_who_asked(name: str) -> fake.Behaviour:
    """Answers with the endpoint's name and the id of the request in every word, or its number in every embedding."""

    async def behave(seen: fake.Seen, out: fake.Out) -> None:
        word = f"said-of-{name} to {seen.headers['x-request-id']};"
        chat = seen.path.endswith("chat/completions")
        if seen.path.endswith("/embeddings"):
            await fake.embed(seen, out, number_of(seen.headers["x-request-id"]))
        elif seen.body.get("stream"):
            await fake.streams(*fake.events(chat=chat, words=[word, word]), "[DONE]")(seen, out)
        else:
            said = {"message": {"role": "assistant", "content": word}} if chat else {"text": word}
            choices = [{"index": 0, "finish_reason": "stop", **said}]
            await out.json({"choices": choices, "usage": fake.USAGE})

    return behave


# --- where to ---------------------------------------------------------------------------------------------

TAILS = {
    "models": "models",
    "chat": "chat/completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "responses": "responses",
}
GENERIC = {"v1": "/api/predict/generic", "v2": "/api/v2/predict/generic", "nlp": "/api/predict/nlp"}


def paths_of(form: str, endpoint: str) -> list[str]:
    kind = form.split(" ")[0]
    if kind in GENERIC:
        return [f"{GENERIC[kind]}{'/stream' if 'stream' in form else ''}/{PROJECT}/{endpoint}"]
    bases = (f"/v1/{PROJECT}/{endpoint}", f"/openai/v1/{PROJECT}/{endpoint}", f"/v1/{endpoint}")
    return [f"{base}/{TAILS[kind]}" for base in bases]


INSERTED = [
    b"/", b"//", b"/./", b"/../", b"/x/../", b"%2f", b"%2e%2e/", b"%00", b"%ff", b"%", b"%zz", b"%0d%0a", b"\xc3\xa9",
    b"\xff", b"?", b"?a=b&key=x", b"#", b"#a", b";a=b", b"\\", b"models/", b"stream/", b"a" * 9000, b"@", b":", b"|",
]  # fmt: skip


@st.composite
def targets(draw, path: str) -> bytes:
    """The path with something put in, left out or spelled otherwise."""
    target = path.encode()
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(target)))
        other = draw(st.sampled_from(INSERTED) | st.sampled_from(["gone", "encoded", "upper"]))
        rest = target[at + 1 :]
        if other == "gone":
            target = target[:at] + rest
        elif other == "encoded":
            target = target[:at] + b"".join(b"%%%02x" % byte for byte in target[at : at + 1]) + rest
        elif other == "upper":
            target = target[:at] + target[at:].upper()
        else:
            target = target[:at] + other + target[at:]
    return target or b"/"


# --- with which headers -----------------------------------------------------------------------------------

ODD = [b"\xff\xfe", b"\xc3\xa9", b"a" * 5000, b"a b", b"\t", b"%0d%0a", b"\"';--", b"0", b"-1"]
EXTRAS = [
    (b"Expect", b"100-continue"), (b"Expect", b"the worst"), (b"Connection", b"close"), (b"Connection",
    b"keep-alive"),
    (b"Connection", b"content-length, key"), (b"Accept", b"text/html"), (b"Accept-Encoding", b"gzip"),
    (b"Content-Type", b"text/plain"), (b"Content-Type", b"application/x-www-form-urlencoded"),
    (b"Content-Type", b"application/json; charset=utf-16"), (b"Content-Encoding", b"gzip"),
    (b"X-HTTP-Method-Override", b"GET"),
    (b"X-Forwarded-For", b"127.0.0.1"), (b"Host", b"elsewhere"), (b"Cookie", b"sessionid=x"), (b"ss-sn-options",
    b"{"),
    (b"TE", b"trailers"), (b"Range", b"bytes=0-0"), (b"X-Studio-Instance", b"instance-of-nobody"),
]  # fmt: skip
ODD_HEADERS = st.tuples(
    st.sampled_from([b"X-Request-ID", b"Accept", b"Content-Type", b"X-Odd", b"User-Agent"]),
    st.sampled_from(ODD),
)


@st.composite
def keys(draw, own: str) -> tuple[list[tuple[bytes, bytes]], set[str]]:
    """Headers that carry keys, the right one or others; and the endpoints whose keys they carry."""
    others = st.sampled_from([*NAMES, "nobody", ""])
    names = draw(st.sampled_from([[own], [own, own]]) | st.lists(others, max_size=2))
    found = []
    for name in names:
        value = key_of(name).encode() if name else draw(st.sampled_from(ODD))
        spelled = draw(st.sampled_from([b"key", b"KEY", b"Bearer", b"Bearer", b"bearer ", b"Basic"]))
        found.append(
            (spelled, value) if spelled.lower() == b"key" else (b"Authorization", spelled + b" " + value)
        )
    return found, set(names)


# --- saying what ------------------------------------------------------------------------------------------

NASTY = [
    b"", b" ", b"null", b"[]", b'""', b"{", b"}", b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"[" * 5000,
    b'{"a":' * 3000,
    b"[" * 200 + b"]" * 200, b'{"messages":' + b"[" * 600 + b"]" * 600 + b"}",
]  # fmt: skip
# Put in the place of a value of a right body.
LITERALS = [
    b"NaN", b"-Infinity", b"1e400", b"1" + b"0" * 400, b"-0", b"1.", b'"\\ud800"', b'"\\ud83d\\ude00"',
    b'"\xff"', b"{}",
    b'{"value":null}', b'{"type":"str","value":"x"}', b"[" * 100 + b"]" * 100, b"18446744073709551616",
    b'"\\u0000"', b"tru",
    b'"' + b"x" * 70000 + b'"',
]  # fmt: skip


@st.composite
def spoiled(draw, body: object) -> bytes:
    """A right body that has become one of another kind, of none, or not even JSON."""
    content = orjson.dumps(draw(mutated(body)))
    how = draw(
        st.sampled_from(["as it is"] * 5 + ["literal", "literal", "twice", "bytes", "nasty", "any", "ascii"])
    )
    if how == "nasty":
        return draw(st.sampled_from(NASTY))
    if how == "any":
        return draw(JSON.map(orjson.dumps) | st.binary(max_size=30))
    if how == "ascii":
        return json.dumps(orjson.loads(content), indent=1).encode(
            "utf-16" if draw(st.booleans()) else "utf-8"
        )
    if how == "literal":
        places = [at for at, byte in enumerate(content) if byte == ord(":")] or [0]
        at = draw(st.sampled_from(places)) + 1
        return content[:at] + draw(st.sampled_from(LITERALS)) + b',"x":' + content[at:]
    if how == "twice" and content.startswith(b"{") and len(content) > 2:
        return content[:-1] + b"," + draw(mutated(body).map(orjson.dumps))[1:]
    if how == "bytes":
        a, b = sorted(draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))))
        return content[:a] + draw(st.binary(max_size=4)) + content[b:]
    return content


# --- all of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """`form` of tests.gateway.test_bodies; `content` of the body as it was meant; `keys`: whose keys it carries."""

    form: str
    method: str
    content: bytes
    keys: frozenset[str]
    raw: bytes

    @property
    def bodiless(self) -> bool:
        return self.method == "HEAD"


METHODS = ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"]
# What is wrong about a request; most have one thing, so that not everything ends at the first look.
WRONGS = ["body", "target", "method", "keys", "endpoint", "headers", "framing"]


@st.composite
def requests(draw, form: str) -> Request:
    wrong = draw(
        st.sampled_from([{"body"}] * 4 + [{one} for one in WRONGS]) | st.sets(st.sampled_from(WRONGS))
    )
    task = draw(
        st.sampled_from([task for task in ("chat", "embedding") if FORMATS[form].body(task) is not None])
    )
    name = "embeds" if task == "embedding" else draw(st.sampled_from([*CHATS]))
    endpoint = draw(st.sampled_from(ENDPOINTS)) if "endpoint" in wrong else NAMES[name]
    path = draw(st.sampled_from(paths_of(form, endpoint)))
    target = draw(targets(path)) if "target" in wrong else path.encode()
    method = draw(st.sampled_from(METHODS)) if "method" in wrong else "POST"
    right = FORMATS[form].body(task)
    content = draw(spoiled(right)) if "body" in wrong else orjson.dumps(right)
    key = (b"key", key_of(name).encode())
    headers, carried = draw(keys(name)) if "keys" in wrong else ([key], {name})
    headers += draw(st.lists(st.sampled_from(EXTRAS) | ODD_HEADERS, max_size=2)) if "headers" in wrong else []
    length = (b"Content-Length", b"%d" % len(content))
    framing, body = draw(framed(content)) if "framing" in wrong else (length, content)
    return Request(
        form, method, content, frozenset(carried), raw.request(method, target, [*headers, framing], body)
    )


@st.composite
def lookups(draw) -> Request:
    """A look at the models of an endpoint or at one of them, with whatever keys; names of others are not asked for."""
    name = draw(st.sampled_from([*NAMES]))
    endpoint = draw(st.sampled_from([NAMES[name]] * 3 + ENDPOINTS))
    headers, carried = draw(keys(name))
    path = draw(st.sampled_from(paths_of("models", endpoint)))
    own = draw(st.sampled_from(sorted(carried) or [name]))
    path += draw(
        st.sampled_from(["", "", "/", "/Help", "/expert", f"/name-of-{own}", "/gpt-4", "/Help/../", "?key=x"])
    )
    method = draw(st.sampled_from(["GET"] * 6 + ["POST", *METHODS]))
    return Request("models", method, b"", frozenset(carried), raw.request(method, path, headers))


@st.composite
def framed(draw, content: bytes) -> tuple[tuple[bytes, bytes], bytes]:
    """The header that says how long the body is, and the body: chunks, or less than there is."""
    how = draw(st.sampled_from(["chunks", "chunks", "less"]))
    if how == "chunks":
        cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=4)))
        parts = [content[a:b] for a, b in pairwise([0, *cuts, len(content)])]
        return (b"Transfer-Encoding", b"chunked"), raw.chunked(parts)
    return (b"Content-Length", b"%d" % draw(st.integers(0, len(content)))), content
