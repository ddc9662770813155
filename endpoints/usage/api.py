"""`/api/endpoints/{endpoint}/usage`: what the Usage tab shows, as numbers."""

from datetime import timedelta
from typing import Any

from ninja import Query, Router, Schema
from pydantic import Field

from apikeys import services as keys
from apikeys.rules import masked
from endpoints import selectors as endpoints
from endpoints.usage import rules, wire
from endpoints.usage.selectors import Sums, UsageView, usage_of
from studio.json_api import ApiRequest, moment
from studio.json_docs import looks
from studio.projects import selectors as projects

router = Router(tags=["usage"])

DEFAULT = timedelta(days=1)


class Errors(Schema):
    client: int = Field(description="The request was wrong: body, parameters, key, model.")
    limited: int = Field(description="A limit of the key, or a full queue.")
    unavailable: int = Field(description="The endpoint was not Live, or no instance answered.")
    failed: int = Field(description="An instance or the platform failed.")
    deadline: int = Field(description="The endpoint's deadline passed.")
    gone: int = Field(description="The client left before its answer was complete.")


class Times(Schema):
    """Seconds. Percentiles are estimated from fixed buckets and lie in the bucket of the true value."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


class Counts(Schema):
    requests: int = Field(description="All, failed ones included.")
    errors: Errors
    prompt_tokens: int
    completion_tokens: int


class SumsOut(Counts):
    response_time: Times
    queue_time: Times
    execution_time: Times
    time_to_first_token: Times = Field(description="Of streams only.")


class PointOut(SumsOut):
    time: str = Field(description="When the step begins.")


class KeyUsage(Counts):
    id: str
    description: str
    api_key: str = Field(description="Masked.")
    status: str


class UsageOut(Schema):
    endpoint_id: str
    since: str
    until: str
    step: int = Field(description="Seconds.")
    total: SumsOut
    series: list[PointOut]
    keys: list[KeyUsage]


@router.get("/endpoints/{endpoint}/usage", response=looks(UsageOut), summary="The usage of an endpoint")
def endpoint_usage(
    request: ApiRequest,
    endpoint: str,
    project: str | None = None,
    since: str | None = Query(
        None,
        examples=["24h"],
        description="A moment (ISO 8601), or how long ago: 30m, 24h, 7d. Else a day ago.",
    ),
    until: str | None = Query(None, description="The same; without one: now."),
    key: str | None = Query(None, description="Only what this API key used; its id."),
    step: str | None = Query(None, examples=["1h"], description="5m, 1h, 1d; without one: a suitable one."),
) -> dict[str, Any]:
    """Requests, errors, tokens and times: in all, in even steps and for each API key.

    The range is widened to whole steps (days are days of UTC); a request counts where its answer ended. What a
    gateway counted is here within seconds.
    """
    where = projects.named(request.auth, project) if project else None
    found = endpoints.named(request.auth, endpoint, where)
    end = rules.moment_of("until", until, request.now) if until else request.now
    view = usage_of(
        request.auth,
        found,
        since=rules.moment_of("since", since, request.now) if since else end - DEFAULT,
        until=end,
        step=rules.step_of(step) if step else 0,
        key=keys.key_named(found, key) if key else None,
    )
    return {"endpoint_id": str(found.pk), **_usage(view)}


# ----- translating out ------------------------------------------------------------------------------------


def _usage(view: UsageView) -> dict[str, Any]:
    return {
        "since": moment(view.range.since),
        "until": moment(view.range.until),
        "step": view.range.step,
        "total": _sums(view.total),
        "series": [{"time": moment(start), **_sums(sums)} for start, sums in view.points],
        "keys": [
            {
                "id": str(key.pk),
                "description": key.description,
                "api_key": masked(key.prefix),
                "status": "Revoked" if key.revoked_at else "Live",
                **_counts(sums),
            }
            for key, sums in view.keys
        ],
    }


def _counts(sums: Sums) -> dict[str, Any]:
    return {
        "requests": sums.requests,
        "errors": sums.errors,
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
    }


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        **_counts(sums),
        "response_time": _times(sums.times["response"]),
        "queue_time": _times(sums.times["queue"]),
        "execution_time": _times(sums.times["execution"]),
        "time_to_first_token": _times(sums.times["first_token"]),
    }


def _times(times: wire.Times) -> dict[str, Any]:
    shares = {f"p{percent}": rules.percentile(times.buckets, percent) for percent in (50, 90, 95)}
    rounded = {name: value if value is None else round(value, 6) for name, value in shares.items()}
    mean = rules.mean(times)
    return {"count": times.count, "mean": mean if mean is None else round(mean, 6), **rounded}
