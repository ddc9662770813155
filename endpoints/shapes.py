"""What an endpoint, a wish for one and its plan look like in the JSON of the management REST API."""

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field

from apikeys.api import KeyOut
from studio.json_api import Body

Hyperparams = dict[str, Any] | str

EXAMPLE: dict[str, Any] = {
    "project": "demo",
    "endpoint_name": "hello",
    "model_checkpoint": "Help",
    "rdu_arch": "SN40L",
    "instances": 2,
    "hyperparams": {"model_parallel_rdus": 1},
}


class Wish(Body):
    """Model, version, generation and instances: what decides about RDUs."""

    project: str = Field(examples=["demo"], description="Name or id.")
    model_checkpoint: str = Field(examples=["Help"], description="Name or id of a model.")
    model_version: int | str | None = Field(
        None, examples=["2"], description="Its number. Without one: the newest."
    )
    instances: int | str = Field(1, examples=[2], description="0 to 1000; 0: it is created as Stopped.")
    rdu_arch: str | None = Field(
        None, examples=["SN40L"], description="RDU generation. Without one: the recommended."
    )
    hyperparams: Hyperparams | None = Field(
        None,
        examples=[{"model_parallel_rdus": 1}],
        description="Model parameters: an object, or the same as a JSON string.",
    )


class NewEndpoint(Wish):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    endpoint_name: str = Field(
        examples=["hello"],
        description="1 to 63 of letters, digits, space, - and _; in its project no other has it.",
    )
    description: str = Field("", examples=["Answers questions"], description="Up to 500 characters.")


class Changes(Body):
    """What is to change; what is absent stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"instances": 3, "spec_version": 1}]})

    description: str | None = Field(None, description="Up to 500 characters.")
    model_checkpoint: str | None = Field(None, description="Name or id of a model.")
    model_version: int | str | None = Field(None, description="Its number.")
    instances: int | str | None = Field(None, description="0 to 1000; 0 stops it, more starts a stopped one.")
    rdu_arch: str | None = Field(None, description="RDU generation.")
    hyperparams: Hyperparams | None = Field(None, description="Model parameters; what is not named stays.")
    spec_version: int | None = Field(None, description="Refused with 409 unless it is still the present one.")


class Restoring(Body):
    endpoint_name: str = Field("", description="Another name, where its own is taken by now.")


class Target(Schema):
    model: str = Field(description="The model's id.")


class Waiting(Schema):
    instance: int = Field(description="Its number, from 1.")
    reason: str = Field(examples=["none_free"], description="A code.")
    sentence: str = Field(description="The same for people, with numbers.")
    position: int = Field(description="In the queue for RDUs; 0 where it is in none.")


class EndpointOut(Schema):
    id: str
    name: str
    description: str
    project_id: str
    project_name: str
    ml_app: str
    model_name: str
    model_version: str = Field(description="Its number.")
    targets: list[Target]
    arch: str = Field(examples=["SN40L"], description="RDU generation.")
    instances: int = Field(description="How many are wished now: 0 while stopped.")
    instances_ready: int = Field(description="How many answer.")
    instances_wanted: int = Field(description="The wish, also while stopped.")
    status: str = Field(
        examples=["Live"],
        description="SettingUp, AwaitingRDU, Live, Updating, Stopping, Stopped, Failed or Deleting.",
    )
    status_reason: str = Field(description="Why it is not Live, in a sentence.")
    waiting: list[Waiting]
    warnings: list[str] = Field(description="What will have to wait for RDUs, after a create or a change.")
    url: str = Field(description="Path of the Predict URL.")
    stream_url: str = Field(description="Path of the Streaming prediction URL.")
    openai_url: str = Field(description="Path of the OpenAI base URL.")
    api_key: str = Field(
        description="Value of the First Key; masked in lists and for who may not manage keys."
    )
    api_keys: list[KeyOut]
    hyperparams: dict[str, Any]
    owner: str
    spec_version: int = Field(description="Higher with each change; send it back with a change.")
    time_created: str
    time_updated: str
    time_deleted: str | None


class Endpoints(Schema):
    endpoints: list[EndpointOut]
    next: str | None = Field(description="The next page's `cursor`; null on the last.")


class Lands(Schema):
    instance: int
    node: str


class Waits(Schema):
    instance: int
    sentence: str


class PlanOut(Schema):
    """RDU numbers are of the generation; `widest_free` is the most that is free in a single node."""

    model_name: str
    model_version: str
    arch: str
    rdus_per_instance: int
    rdus_required: int
    rdus_total: int
    rdus_available: int
    widest_free: int
    placed: list[Lands]
    waiting: list[Waits]
    warnings: list[str]


class EditPlanOut(PlanOut):
    """How a change would be applied, as things stand now."""

    effect: str = Field(
        examples=["rolls"],
        description="nothing, later, starts, stops, untouched, more, fewer, replaces, rolls, in turn, gap or waits.",
    )
    sentence: str = Field(description="The same for people.")
    kept: int = Field(description="Instances that go on as they are.")
    opens: int = Field(description="Instances that begin.")
    ends: int = Field(description="Instances that end.")
