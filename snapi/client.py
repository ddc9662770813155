"""The management REST API as Python methods: one method per verb, JSON in and out.

Every method raises `Refused` for an answer that says no and `Unreachable` for none. Projects, endpoints,
models, apps and tenants are named by name or id.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from snapi.account_calls import AccountCalls
from snapi.config import Settings
from snapi.errors import BrokenOff, Refused, Unreachable, WrongUsage
from snapi.streams import Frame, frames, tokens
from snapi.version import USER_AGENT

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
Piece = TypeVar("Piece")

SILENCE_SECONDS = 30.0  # a web process that restarts must not end a watch of hours
PAUSE_SECONDS = 0.5
AUDIT_PAGE = 1000  # entries, the most that the API gives at once


class Client(AccountCalls):
    def __init__(self, settings: Settings) -> None:
        # Costs twice as much as all else at start-up, and not every command needs it.
        import httpx  # noqa: PLC0415

        self._host = settings.host
        self._timeout = settings.timeout
        headers = {"Authorization": f"Bearer {settings.key}", "User-Agent": USER_AGENT}
        if settings.tenant:
            headers["tenant"] = quote(settings.tenant)
        # Without TLS nobody is vouched for, and to read who might be would be most of what a command costs.
        verify = settings.verify and not settings.host.lower().startswith("http://")
        try:
            self._http = httpx.Client(headers=headers, verify=verify, timeout=settings.timeout)
        except (OSError, ValueError, ImportError) as error:
            # A proxy or a certificate file named in the environment that cannot be used.
            raise Unreachable(f"The connection cannot be prepared: {error}.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._http.close()

    # Tenants, apps, models

    def list_tenants(self) -> Json:
        return self._all("data", "tenants")

    def tenant_info(self, tenant: str | None = None) -> Json:
        """Without a name: the active tenant."""
        return self._call("GET", "tenants", tenant) if tenant else self._call("GET", "tenant")

    def list_apps(self) -> Json:
        return self._all("apps", "apps")

    def list_models(self, *, app: str | None = None, job_type: str | None = None) -> Json:
        return self._all("models", "models", query={"app": app, "job_type": job_type})

    def model_info(self, model: str, *, job_type: str | None = None, version: str | None = None) -> Json:
        return self._call("GET", "models", model, query={"job_type": job_type, "version": version})

    # Projects

    def list_projects(self) -> Json:
        return self._all("projects", "projects")

    def project_info(self, project: str) -> Json:
        return self._call("GET", "projects", project)

    def create_project(self, name: str, description: str = "") -> Json:
        return self._create("projects", body={"name": name, "description": description})

    def update_project(self, project: str, changes: Json) -> Json:
        return self._call("PATCH", "projects", project, body=changes)

    def delete_project(self, project: str) -> Json:
        return self._call("DELETE", "projects", project)

    # Endpoints

    def list_endpoints(self, project: str | None = None, *, deleted: bool = False) -> Json:
        query = {"project": project, "deleted": "true" if deleted else None}
        return self._all("endpoints", "endpoints", query=query)

    def endpoint_info(self, endpoint: str, *, project: str | None = None) -> Json:
        return self._call("GET", "endpoints", endpoint, query={"project": project})

    def create_endpoint(self, spec: Json) -> Json:
        return self._create("endpoints", body=spec)

    def plan_endpoint(self, spec: Json) -> Json:
        """What `create_endpoint` would get now; nothing is changed."""
        return self._call("POST", "plan", body=spec)

    def update_endpoint(self, endpoint: str, changes: Json, *, project: str | None = None) -> Json:
        return self._call("PATCH", "endpoints", endpoint, query={"project": project}, body=changes)

    def plan_change(self, endpoint: str, changes: Json, *, project: str | None = None) -> Json:
        """How `update_endpoint` would be applied now; nothing is changed."""
        return self._call("POST", "endpoints", endpoint, "plan", query={"project": project}, body=changes)

    def stop_endpoint(self, endpoint: str, *, project: str | None = None) -> Json:
        return self._call("POST", "endpoints", endpoint, "stop", query={"project": project})

    def restart_endpoint(self, endpoint: str, *, project: str | None = None) -> Json:
        return self._call("POST", "endpoints", endpoint, "restart", query={"project": project})

    def delete_endpoint(self, endpoint: str, *, project: str | None = None) -> Json:
        return self._call("DELETE", "endpoints", endpoint, query={"project": project})

    def restore_endpoint(self, endpoint: str, *, name: str = "", project: str | None = None) -> Json:
        """`name`: another one, where its own is taken by now."""
        body = {"endpoint_name": name} if name else {}
        return self._call("POST", "endpoints", endpoint, "restore", query={"project": project}, body=body)

    def list_api_keys(self, endpoint: str, *, project: str | None = None) -> Json:
        return self._all("api_keys", "endpoints", endpoint, "apikeys", query={"project": project})

    def add_api_key(self, endpoint: str, spec: Json, *, project: str | None = None) -> Json:
        return self._create("endpoints", endpoint, "apikeys", query={"project": project}, body=spec)

    def api_key_info(self, endpoint: str, apikey: str, *, project: str | None = None) -> Json:
        return self._call("GET", *self._api_key(endpoint, apikey, project), query={"project": project})

    def change_api_key(
        self, endpoint: str, apikey: str, changes: Json, *, project: str | None = None
    ) -> Json:
        where = self._api_key(endpoint, apikey, project)
        return self._call("PATCH", *where, query={"project": project}, body=changes)

    def rotate_api_key(
        self, endpoint: str, key: str, *, grace: str = "none", project: str | None = None
    ) -> Json:
        """`grace`: for how long the old value is taken on: none, 1h, 1d, 7d."""
        path = ("endpoints", endpoint, "apikeys", key, "rotate")
        return self._create(*path, query={"project": project}, body={"grace": grace})

    def revoke_api_key(self, endpoint: str, apikey: str, *, project: str | None = None) -> Json:
        where = self._api_key(endpoint, apikey, project)
        return self._call("POST", *where, "revoke", query={"project": project})

    def _api_key(self, endpoint: str, apikey: str, project: str | None) -> tuple[str, ...]:
        """The path of a key that is named by its id or its value; a value must not stand in an address.

        Masked ones (revoked, or not for this person to see) are known by what is shown of them.
        """
        wanted = apikey.strip().lower()
        for key in self.list_api_keys(endpoint, project=project)["api_keys"]:
            value = str(key.get("api_key"))
            shown = value.rstrip("•")
            if wanted in (key.get("id"), value) or (shown != value and wanted.startswith(shown)):
                return "endpoints", endpoint, "apikeys", str(key.get("id"))
        sentence = "There is no such API key."
        raise Refused(404, {"code": "not_found", "message": sentence, "fields": {"apikey": "unknown key"}})

    def endpoint_usage(self, endpoint: str, *, project: str | None = None, **narrowed: str | None) -> Json:
        """`narrowed`: since, until, key, step, as the API takes them."""
        return self._call("GET", "endpoints", endpoint, "usage", query={"project": project, **narrowed})

    def list_instances(self, endpoint: str, *, project: str | None = None) -> Json:
        return self._all("instances", "endpoints", endpoint, "instances", query={"project": project})

    def list_events(self, endpoint: str, *, project: str | None = None) -> Json:
        """Newest first, the latest thousand."""
        query = {"project": project, "limit": "1000"}
        return self._call("GET", "endpoints", endpoint, "events", query=query)

    def tenant_events(self) -> Json:
        return self._call("GET", "events")

    def things_events(self, kind: str, name_or_id: str) -> Json:
        """Of a thing of `projects` or `models`: newest first, the latest thousand."""
        return self._call("GET", kind, name_or_id, "events", query={"limit": "1000"})

    def audit(self, narrowed: Mapping[str, str | None], most: int | None) -> Iterator[Json]:
        """Entries, newest first, page by page as they are wanted: all of them may be millions."""
        query = {**narrowed, "limit": str(min(most or AUDIT_PAGE, AUDIT_PAGE))}
        while True:
            answer = self._call("GET", "audit", query=query)
            yield from self._rows(answer, "entries")
            if not answer.get("next"):
                return
            query["cursor"] = answer["next"]

    def watch_endpoint(
        self, endpoint: str, *, project: str | None = None, until: float | None = None
    ) -> Iterator[Frame]:
        """What becomes of it, as it comes, until it is gone or `until` (of `time.monotonic`).

        The server ends each stream after a while; this connects again and goes on after the last event. A frame
        without a kind is a sign of life. Raises `Unreachable` when nothing was heard for half a minute.
        """
        last, heard = "", time.monotonic()
        while until is None or time.monotonic() < until:
            try:
                for frame in self._watch_once(endpoint, project, last, until):
                    last, heard = frame.id or last, time.monotonic()
                    yield frame
                    if frame.kind == "gone":
                        return
            except Unreachable:
                if time.monotonic() - heard >= SILENCE_SECONDS:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _watch_once(
        self, endpoint: str, project: str | None, last: str, until: float | None
    ) -> Iterator[Frame]:
        left = SILENCE_SECONDS if until is None else max(0.05, until - time.monotonic())
        path = f"{self._host}/api/{'/'.join(map(_path_part, ('endpoints', endpoint, 'watch')))}"
        headers = {"Last-Event-ID": last} if last else {}
        with self._stream(
            "GET",
            path,
            params={"project": project} if project else {},
            headers=headers,
            wait=min(left, SILENCE_SECONDS),
        ) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise Unreachable(self._stranger(response, None))
            yield from self._pieces(response, frames(response.iter_lines()))

    # Sharing

    def shares(self, kind: str, name: str, *, project: str | None = None) -> Json:
        """`kind`: endpoints, projects, models."""
        return self._call("GET", kind, name, "share", query={"project": project})

    def share(self, kind: str, name: str, wanted: Json, *, project: str | None = None) -> Json:
        return self._call("PUT", kind, name, "share", query={"project": project}, body=wanted)

    def organization_info(self) -> Json:
        return self._call("GET", "organization")

    def change_organization(self, changes: Json) -> Json:
        return self._call("PATCH", "organization", body=changes)

    # Predictions

    def predict(self, path: str, key: str, body: Json) -> Iterator[Json]:
        """The pieces of a streamed prediction of the generic API; `path` is the endpoint's `stream_url`."""
        headers = {"key": key}
        with self._stream("POST", self._host + path, json=body, headers=headers) as response:
            yield from self._pieces(response, tokens(response.iter_lines()))

    # Nodes

    def list_nodes(self, *, arch: str | None = None, state: str | None = None) -> Json:
        return self._all("nodes", "nodes", query={"arch": arch, "state": state})

    def add_node(self, spec: Json) -> Json:
        return self._create("nodes", body=spec)

    def change_node(self, node: str, verb: str) -> Json:
        """`verb`: cordon, uncordon, drain, undrain, remove."""
        return self._call("POST", "nodes", node, verb)

    # The wire

    def _all(self, name: str, *path: str, query: Mapping[str, str | None] | None = None) -> Json:
        """A list with all its pages in one."""
        wanted = dict(query or {})
        answer = self._call("GET", *path, query=wanted)
        rows = self._rows(answer, name)
        while answer.get("next"):
            answer = self._call("GET", *path, query={**wanted, "cursor": answer["next"]})
            rows += self._rows(answer, name)
        return {**answer, name: rows}

    def _rows(self, answer: Json, name: str) -> list[Json]:
        rows = answer.get(name)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unreachable(f"{self._host} answered, but without {name!r}; is it a Studio of this version?")
        return rows

    def _create(self, *path: str, query: Mapping[str, str | None] | None = None, body: Json) -> Json:
        """Under a key of its own, so that what was perhaps done and not answered can be asked for once more."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        try:
            return self._call("POST", *path, query=query, body=body, headers=headers)
        except BrokenOff:
            return self._call("POST", *path, query=query, body=body, headers=headers)

    def _call(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str | None] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        url = f"{self._host}/api/{'/'.join(map(_path_part, path))}"
        params = {name: value for name, value in (query or {}).items() if value is not None}
        with self._reached(self._timeout):
            try:
                response = self._http.request(method, url, params=params, json=body, headers=headers or {})
            except ValueError as error:
                raise WrongUsage(f"{self._host} is not an address that can be asked: {error}.") from None
        return self._read(response)

    def _pieces(self, response: "httpx.Response", pieces: Iterator[Piece]) -> Iterator[Piece]:
        try:
            yield from pieces
        except (ValueError, RecursionError):
            raise Unreachable(self._stranger(response, None)) from None

    @contextmanager
    def _stream(
        self, method: str, url: str, *, wait: float | None = None, **asked: Any
    ) -> Iterator["httpx.Response"]:
        """An answer that comes in pieces; `wait`: how long for the next one."""
        import httpx  # noqa: PLC0415

        patience = httpx.Timeout(self._timeout, read=wait or self._timeout)
        asking = self._http.stream(method, url, timeout=patience, **asked)
        with self._reached(wait or self._timeout), asking as response:
            if response.status_code != 200:
                response.read()
                _check_prediction(response)
                self._read(response)
            yield response

    @contextmanager
    def _reached(self, wait: float) -> Iterator[None]:
        """What went wrong on the way, in a sentence."""
        import httpx  # noqa: PLC0415

        try:
            yield
        except httpx.TimeoutException:
            raise Unreachable(f"{self._host} did not answer within {wait:g} seconds.") from None
        except httpx.HTTPError as error:
            broken = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
            kind = BrokenOff if broken else Unreachable
            raise kind(f"{self._host} cannot be reached: {str(error) or type(error).__name__}.") from None
        except httpx.InvalidURL as error:
            raise WrongUsage(f"{self._host} is not an address that can be asked: {error}.") from None

    def _read(self, response: "httpx.Response") -> Json:
        status = response.status_code
        if 300 <= status < 400:
            target = response.headers.get("location", "nowhere")
            raise Unreachable(f"{self._host} redirects to {target}; set the host that answers itself.")
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or (status >= 400 and not isinstance(answer.get("message"), str)):
            raise Unreachable(self._stranger(response, answer))
        if status >= 400:
            raise Refused(status, answer)
        return dict(answer)

    def _stranger(self, response: "httpx.Response", answer: Any) -> str:
        """What to say of an answer that the management API did not give."""
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict) and error.get("message"):  # Studio's own front: the web process is away
            return f"{self._host} answered {response.status_code}: {error['message']}"
        kind = response.headers.get("content-type", "no content").split(";")[0]
        return (
            f"{self._host} answered {response.status_code} with {kind}, which is not Studio's answer; "
            "is a proxy in between?"
        )


def _check_prediction(response: "httpx.Response") -> None:
    """Raises `Refused` for the refusal of a prediction, which has a form of its own."""
    try:
        error = response.json()["error"]
        said = {"code": str(error["code"]), "message": str(error["message"]), "fields": {}}
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    raise Refused(response.status_code, said)


def _path_part(value: str) -> str:
    if value.strip() in {"", ".", ".."}:
        raise WrongUsage(f"A name or id is needed, not {value!r}.")
    return quote(value, safe="")
