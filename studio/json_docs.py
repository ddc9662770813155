"""What the OpenAPI document of the management REST API says of answers: which there are, why, and how they look."""

from typing import Any

from ninja import NinjaAPI, Schema
from ninja.openapi.schema import OpenAPISchema
from pydantic import Field


class Error(Schema):
    code: str = Field(description="For programs.")
    message: str = Field(description="One or more sentences for people.")
    fields: dict[str, str] = Field(description="What is wrong at which field, where a field is to blame.")


# status → (why, code, sentence, fields)
ERRORS: dict[int, tuple[str, str, str, dict[str, str]]] = {
    400: (
        "The body, a parameter or a value is not as it must be; `fields` says where.",
        "invalid",
        "instances must be from 0 to 1000, not -1.",
        {"instances": "instances must be from 0 to 1000, not -1."},
    ),
    401: (
        "No platform key, or one that is not valid (any more).",
        "not_signed_in",
        "Sign in with your platform API key: Authorization: Bearer <key>.",
        {},
    ),
    403: (
        "You can see it, but may not do this to it; or a browser's CSRF token is missing.",
        "forbidden",
        "Only its owner or an admin can delete this endpoint.",
        {},
    ),
    404: (
        "There is no such thing, or you may not know of it.",
        "not_found",
        "There is no endpoint 'hello'.",
        {"endpoint": "unknown endpoint"},
    ),
    409: (
        "Its state does not allow this now, a name is taken, or somebody else changed it first.",
        "conflict",
        "There is an endpoint 'hello' in this project already.",
        {"endpoint_name": "This name is taken."},
    ),
    413: ("The body is too large.", "too_large", "The body is larger than a management request may be.", {}),
    422: (
        "The `Idempotency-Key` came with another request before.",
        "idempotency_key_used",
        "This Idempotency-Key came with another request before; choose a new one for each thing to create.",
        {"Idempotency-Key": "used before"},
    ),
    429: (
        "Too many at once.",
        "limited",
        "Too many are watching just now; ask for the endpoint every few seconds instead.",
        {},
    ),
}
UUID = "9f1c6a52-3a0e-4b7d-9a55-0d6c1b7f2e11"
MOMENT = "2026-11-07T16:51:04.896235+00:00"

# What a field or parameter is called → what it is and an example, wherever it does not say so itself; as
# `Shape.field` where the name means another thing in one shape.
WORDS: dict[str, tuple[str, Any]] = {
    # things and people
    "id": ("For good, and in every address.", UUID),
    "name": ("What people call it; case is of no account.", "hello"),
    "description": ("For people.", "Answers questions"),
    "actor": ("Who did it: a user name, or Studio.", "owen"),
    "owner": ("User name.", "owen"),
    "user_id": ("User name of whoever added it.", "owen"),
    "role": ("Yours in it: OrgAdmin, TenantAdmin or member.", "member"),
    "tenant_id": ("Id of the tenant.", UUID),
    "tenant_name": ("Name of the tenant.", "default"),
    "project_id": ("Id of the project.", UUID),
    "project_name": ("Name of the project.", "demo"),
    "endpoint_id": ("Id of the endpoint.", UUID),
    "HeldOut.endpoint_id": ("Id of the endpoint; null where you may not see it.", UUID),
    "metadata": ("`owner`: user name.", {"owner": "owen"}),
    "verb": ("What was done.", "stop"),
    "thing_id": ("Id of what it was done to.", UUID),
    "thing_name": ("What it was called then.", "hello"),
    # times
    "time": ("When, in UTC.", MOMENT),
    "time_created": ("When it was created, in UTC.", MOMENT),
    "created_time": ("When it came into the hub, in UTC.", MOMENT),
    "time_updated": ("When it was changed last, in UTC; send it back with a change.", MOMENT),
    "EndpointOut.time_updated": ("When it was changed last, in UTC.", MOMENT),
    "time_signed_in": ("When it signed in, in UTC.", MOMENT),
    "time_last_sign_in": ("When they signed in last with a browser, in UTC; null for never.", MOMENT),
    "time_deleted": ("When it was deleted, in UTC; null unless it was.", None),
    "time_state": ("Since when it is in this state, in UTC.", MOMENT),
    "since": ("Beginning of the range, in UTC.", MOMENT),
    "until": ("End of the range, in UTC.", MOMENT),
    "heard": ("When its agent reported last, in UTC.", MOMENT),
    # lists
    "next": ("The next page's `cursor`; null on the last.", None),
    "Tenants.data": ("In the order of their names.", None),
    "OneTenant.data": ("The tenant.", None),
    "apps": ("In the order of their names.", None),
    "OneApp.apps": ("The ML App.", None),
    "models": ("In the order of their names.", None),
    "projects": ("In the order of their names.", None),
    "nodes": ("In the order of their names.", None),
    "endpoints": ("The newest first.", None),
    "DeletedProject.endpoints": ("Those that were deleted with it.", None),
    "events": ("The newest first.", None),
    "entries": ("The newest first.", None),
    "sessions": ("The one seen last first.", None),
    "users": ("In the order of their names.", None),
    "instances": ("In the order of their numbers.", None),
    "NodeOut.instances": ("Who holds RDUs of it.", None),
    "NewNodeOut.instances": ("Who holds RDUs of it.", None),
    "api_keys": ("The newest first, the First Key last.", None),
    "keys": ("One for each API key that was used.", None),
    # models and applications
    "task": ("chat or embedding.", "chat"),
    "composite": ("Whether its models are Compositions of Experts.", False),
    "app_id": ("Id of its ML App.", UUID),
    "app_name": ("Name of its ML App.", "Help"),
    "ml_app": ("Name of its model's ML App.", "Help"),
    "model_id": ("Id of the model.", UUID),
    "model_checkpoint_name": ("Name of the model, as `model_checkpoint` takes it.", "Help"),
    "model_name": ("Name of the model.", "Help"),
    "model_version": ("Number of the model's version.", "2"),
    "version": ("Number of the version that is told of.", "2"),
    "versions": ("Numbers of all versions.", ["1", "2"]),
    "targets": ("The model, as older clients read it.", None),
    "architecture": ("Family of the model.", "llama"),
    "field_of_application": ("What it is made for.", "language"),
    "type": ("Model, or Composite for a Composition of Experts.", "Model"),
    "dependencies": ("Models that it is made of; none of a standalone one.", []),
    "jobTypes": ("What can be done with it; `deploy`: it can be deployed for an endpoint.", ["deploy"]),
    "archs": ("RDU generations that it can be deployed on, the preferred one first.", ["SN40L"]),
    "ModelOut.hyperparams": (
        "By kind of job, by generation: each parameter with its default and bounds.",
        None,
    ),
    "hyperparams": ("Model parameters.", {"model_parallel_rdus": 1}),
    "validation_loss": ("On held-out data; null where nobody measured.", 0.21),
    "validation_accuracy": ("On held-out data, from 0 to 1; null where nobody measured.", 0.97),
    "dataset": ("What it was trained on.", None),
    "sambanova_provided": ("Whether it is the provider's, not a tenant's.", True),
    "publisher": ("Who made it.", "SambaNova"),
    "steps": ("Steps of its training.", 1000),
    # RDUs
    "arch": ("RDU generation.", "SN40L"),
    "total": ("RDUs of the generation.", 32),
    "UsageOut.total": ("All of the range.", None),
    "available": ("RDUs that nobody holds, on nodes that take instances.", 12),
    "widest_free": ("RDUs: the most that is free in a single node.", 8),
    "rdus": ("How many RDUs it has.", 8),
    "TenantInfo.rdus": ("The RDUs of each generation.", None),
    "HeldOut.rdus": ("Numbers of its RDUs in the node.", [0, 1]),
    "rdus_per_instance": ("RDUs of an instance, all in one node.", 1),
    "rdus_required": ("RDUs of all instances.", 2),
    "rdus_total": ("RDUs of the generation.", 32),
    "rdus_available": ("RDUs of the generation that nobody holds.", 12),
    "placed": ("Instances that land, with their nodes.", None),
    "waiting": ("Instances that wait for RDUs, and why.", None),
    "warnings": ("What will have to wait for RDUs.", []),
    "sentence": ("Why, with numbers.", "Nothing is free: it needs 8 RDUs in a single node."),
    # nodes and instances
    "node": ("Name of the node; null while it has none.", "sn40l-1"),
    "Lands.node": ("Name of the node.", "sn40l-1"),
    "instance": ("Its number, from 1.", 1),
    "HeldOut.instance": ("Its number, from 1; null where you may not see the endpoint.", 1),
    "free": ("RDUs that nobody holds.", 4),
    "virtual": ("Whether no device stands behind its RDUs.", False),
    "state": ("joining, ready, cordoned, draining, suspect, lost, returning or removed.", "ready"),
    "HeldOut.state": ("State of the instance.", "ready"),
    "intent": ("What its operators want of it: ready, cordoned or draining.", "ready"),
    "held_by": ("Who holds them: the endpoint, or whose it is.", "hello"),
    "address": ("Where its model servers are reached; for who may manage nodes.", "10.0.0.7"),
    "machine": ("What its agent says of the machine; for who may manage nodes.", "node-7, Linux"),
    "intruder": ("Whether a second agent claims its name; for who may manage nodes.", False),
    "refusal": ("Why an agent may not join it; for who may manage nodes.", ""),
    "join": ("How its agent joins; shown this once.", None),
    "command": ("Starts the agent on the node.", None),
    "token": ("What the agent reads; a secret.", None),
    "crashes": ("In a row.", 0),
    # keys and usage
    "api_key": ("Its value, or masked.", "9f1c6a52-••••"),
    "limits": ("What it may use; null for no limit.", None),
    "experts": ("The only model names it may ask for; empty for all.", []),
    "expires_at": ("When it expires, in UTC; null for never.", MOMENT),
    "requests_per_minute": ("Requests in a minute of the clock.", 60),
    "tokens_per_minute": ("Tokens in a minute of the clock, prompt and completion together.", 10_000),
    "tokens_per_day": ("Tokens in a day of UTC.", 1_000_000),
    "tokens_per_month": ("Tokens in a month of UTC.", 10_000_000),
    "parallel": ("Requests under way at once.", 4),
    "status": ("Live, Expired or Revoked.", "Live"),
    "ProjectOut.status": ("Available.", "Available"),
    "DeletedProject.status": ("Deleted.", "Deleted"),
    "ModelOut.status": ("Available.", "Available"),
    "errors": ("Requests that failed, by cause.", None),
    "prompt_tokens": ("Tokens of the prompts.", 1200),
    "completion_tokens": ("Tokens of the answers.", 3400),
    "count": ("Requests that were timed.", 42),
    "mean": ("Seconds; null where nothing was timed.", 0.8),
    "p50": ("Seconds; half of them took no longer.", 0.6),
    "p90": ("Seconds; nine of ten took no longer.", 1.4),
    "p95": ("Seconds; nineteen of twenty took no longer.", 1.9),
    "response_time": ("From the request to the end of its answer.", None),
    "queue_time": ("What of it was waiting for an instance.", None),
    "execution_time": ("What of it an instance worked.", None),
    "series": ("The range in even steps.", None),
}
PARAMETERS: dict[str, tuple[str, Any]] = {
    "cursor": ("`next` of the page before.", None),
    "limit": ("Rows of a page, from 1 to 1000.", 50),
    "tenant": ("Name or id.", "default"),
    "project": ("Name or id.", "demo"),
    "endpoint": ("Name or id.", "hello"),
    "apikey": ("Id or value; better the id.", UUID),
    "app": ("Name or id of an ML App.", "Help"),
    "model": ("Name or id.", "Help"),
    "node": ("Name or id.", "sn40l-1"),
    "user": ("Name or id.", "mila"),
    "session": ("Id of one of your sessions.", UUID),
    "search": ("Only whose name contains each of these words, in any case.", "mi"),
    "archived": ("Those that were archived, instead of those that are not.", False),
    "version": ("Number of a version. Without one: the newest.", "2"),
    "job_type": ("`deploy`: what can be deployed for an endpoint.", "deploy"),
    "name": ("Only what has this name.", "hello"),
    "arch": ("Only of this RDU generation.", "SN40L"),
    "state": ("Only what is in this state.", "ready"),
    "status": ("Only what has this status, with or without a space.", "AwaitingRDU"),
    "deleted": ("Those that were deleted in the last 24 hours.", False),
}

LOOKS = (400, 401, 403, 404)
CHANGES = (*LOOKS, 409, 413)
CREATES = (*CHANGES, 422)


def looks(shape: Any, *also: int) -> dict[Any, Any]:
    """The answers of an operation that changes nothing."""
    return {200: shape, **dict.fromkeys((*LOOKS, *also), Error)}


def changes(shape: Any) -> dict[Any, Any]:
    """The answers of an operation that changes something."""
    return {200: shape, **dict.fromkeys(CHANGES, Error)}


def creates(shape: Any) -> dict[Any, Any]:
    """The answers of an operation that may be repeated under an `Idempotency-Key`."""
    return {200: shape, **dict.fromkeys(CREATES, Error)}


class DescribedAPI(NinjaAPI):
    """Adds to every operation why it is refused, with an example, and to each field and parameter what it is.

    Written once in a process: it takes a second or more, and anybody may ask for it.
    """

    _document: OpenAPISchema | None = None

    def get_openapi_schema(self, **places: Any) -> OpenAPISchema:
        if self._document is None:
            self._document = _described(super().get_openapi_schema(**places))
        return self._document


def _described(document: OpenAPISchema) -> OpenAPISchema:
    for path in document["paths"].values():
        for operation in path.values():
            _explain(operation["responses"])
            for parameter in operation.get("parameters", ()):
                _describe(parameter, PARAMETERS.get(parameter["name"]), "example")
    for shape, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            _describe(field, WORDS.get(f"{shape}.{name}") or WORDS.get(name), "examples")
    return document


def _describe(told: dict[str, Any], known: tuple[str, Any] | None, examples: str) -> None:
    """What it says itself counts."""
    if known is None or "description" in told or "description" in told.get("schema", {}):
        return
    told["description"], example = known
    if example is not None and examples not in told and "$ref" not in told:
        told[examples] = [example] if examples == "examples" else example


def _explain(responses: dict[int, dict[str, Any]]) -> None:
    for status in ERRORS.keys() & responses.keys():
        why, code, message, fields = ERRORS[status]
        answer = responses[status]
        answer["description"] = why
        answer["content"]["application/json"]["example"] = {
            "code": code,
            "message": message,
            "fields": fields,
        }
    if 200 in responses and responses[200]["description"] == "OK":
        responses[200]["description"] = "Done, or what was asked for."
