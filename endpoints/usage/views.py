"""The Usage tab of the Endpoint window: tiles, charts and the table of keys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.utils.safestring import SafeString, mark_safe

from apikeys import services as keys
from apikeys.models import ApiKey
from apikeys.rules import masked
from endpoints.models import Endpoint
from endpoints.usage import charts, rules
from endpoints.usage.selectors import Sums, UsageView, usage_of
from studio import htmx

RANGES = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("24 hours", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "60d": ("60 days", timedelta(days=60)),
}
TIMES = {
    "response": ("Response time", "from a request's arrival to the last byte of its answer"),
    "queue": ("Queue time", "waiting for an instance that is free"),
    "execution": ("Execution time", "in the model server"),
    "first_token": ("Time to first token", "streams only"),
}
PERCENTS = (50, 90, 95)
ERRORS = {
    "client": "wrong requests",
    "limited": "over a limit, or queue full",
    "unavailable": "not Live, or no instance answered",
    "failed": "failed in an instance or the platform",
    "deadline": "over the deadline",
    "gone": "left by the client",
}


def context(request: htmx.Request, endpoint: Endpoint) -> dict[str, Any]:
    """What `endpoints/usage.html` shows: `?range=` one of `RANGES`, `?key=` the id of an API key."""
    chosen = request.GET.get("range", "")
    chosen = chosen if chosen in RANGES else "1h"
    key = keys.key_named(endpoint, request.GET["key"]) if request.GET.get("key") else None
    since = request.now - RANGES[chosen][1]
    view = usage_of(request.actor, endpoint, since=since, until=request.now, key=key)
    return {
        "usage": Shown(view),
        "ranges": [(name, label, _query(name, key)) for name, (label, _) in RANGES.items()],
        "range": chosen,
        "only": key,
        "query": _query(chosen, key),
        "all_keys": _query(chosen, None),
    }


def _query(chosen: str, key: ApiKey | None) -> str:
    return urlencode({"tab": "usage", "range": chosen} | ({"key": str(key.pk)} if key else {}))


@dataclass(frozen=True, slots=True)
class Series:
    """`kind` is its colour and pen, `value` what the whole range comes to."""

    name: str
    kind: str
    path: str
    value: str


# The steps of six charts are some hundred tags; joined here they cost a tenth of what a template's loop does.
HIT = '<rect class="hit" x="{:.1f}" width="{:.1f}" height="{}"><title>{}: '
HIT_END = "</title></rect>"
ROW = '<tr><th scope="row">{}</th>{}</tr>'


@dataclass(frozen=True, slots=True)
class Chart:
    """`hits` are the steps, to be pointed at; `rows` says the same as the picture, a cell for each series."""

    id: str
    title: str
    hint: str
    series: list[Series]
    top: str
    middle: str
    ticks: list[str]
    hits: SafeString
    rows: SafeString

    @property
    def is_bars(self) -> bool:
        return self.id in ("requests", "tokens")

    @property
    def is_empty(self) -> bool:
        return not any(series.path for series in self.series)

    @property
    def summary(self) -> str:
        """What somebody hears who does not see it."""
        return ", ".join(f"{series.name} {series.value}" for series in self.series)


class Shown:
    """A `UsageView` in words and pictures."""

    def __init__(self, view: UsageView) -> None:
        self.view, self.total = view, view.total

    @property
    def tiles(self) -> list[tuple[str, str, str]]:
        """(what, how many, a remark)"""
        total = self.total
        return [
            ("Total requests", charts.number(total.requests), ""),
            ("Errors", charts.number(total.failed), charts.share(total.failed, total.requests)),
            ("Prompt tokens", charts.number(total.prompt_tokens), ""),
            ("Completion tokens", charts.number(total.completion_tokens), ""),
        ]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """The classes that occurred, most frequent first."""
        found = sorted(self.total.errors.items(), key=lambda item: -item[1])
        return [(charts.number(count), ERRORS[name]) for name, count in found if count]

    @property
    def keys(self) -> list[dict[str, Any]]:
        return [
            {
                "key": key,
                "masked": masked(key.prefix),
                "requests": charts.number(sums.requests),
                "errors": charts.number(sums.failed),
                "share": charts.share(sums.failed, sums.requests),
                "prompt_tokens": charts.number(sums.prompt_tokens),
                "completion_tokens": charts.number(sums.completion_tokens),
            }
            for key, sums in self.view.keys
        ]

    @property
    def charts(self) -> list[Chart]:
        return [
            self._bars(
                "requests",
                "Requests",
                [
                    ("answered", lambda sums: sums.requests - sums.failed),
                    ("errors", lambda sums: sums.failed),
                ],
            ),
            self._bars(
                "tokens",
                "Tokens",
                [
                    ("prompt", lambda sums: sums.prompt_tokens),
                    ("completion", lambda sums: sums.completion_tokens),
                ],
            ),
            *(self._lines(name) for name in rules.TIMES),
        ]

    @cached_property
    def _steps(self) -> list[tuple[str, str]]:
        """(moment, beginning of its tag) of each step, the same in every chart."""
        width = charts.WIDTH / len(self.view.points)
        moments = [charts.when(start, self.view.range) for start, _ in self.view.points]
        return [
            (moment, HIT.format(number * width, width, charts.HEIGHT, moment))
            for number, moment in enumerate(moments)
        ]

    def _bars(self, id: str, title: str, of: list[tuple[str, Callable[[Sums], int]]]) -> Chart:
        columns = [[count(sums) for _, sums in self.view.points] for _, count in of]
        heights = [sum(step) for step in zip(*columns, strict=True)]
        top = charts.top_of(heights, least=2)
        series, below = [], [0] * len(heights)
        for (name, count), column in zip(of, columns, strict=True):
            series.append(
                Series(name, name, charts.bars(column, below, top), charts.number(count(self.total)))
            )
            below = [one + other for one, other in zip(below, column, strict=True)]
        written = [[charts.number(value) for value in column] for column in columns]
        return self._chart(id, title, "", series, (charts.number(top), charts.number(top / 2)), written)

    def _lines(self, name: str) -> Chart:
        title, hint = TIMES[name]
        steps = [rules.percentiles(sums.times[name].buckets, PERCENTS) for _, sums in self.view.points]
        columns = list(zip(*steps, strict=True))
        top = charts.top_of([value for column in columns for value in column if value is not None])
        whole = rules.percentiles(self.total.times[name].buckets, PERCENTS)
        series = [
            Series(
                f"P{percent}",
                f"p{percent}",
                charts.line(column, top),
                charts.duration(value),
            )
            for percent, column, value in zip(PERCENTS, columns, whole, strict=True)
        ]
        written = [[charts.duration(value) for value in column] for column in columns]
        ends = (charts.axis_duration(top), charts.axis_duration(top / 2))
        return self._chart(name.replace("_", "-"), title, hint, series, ends, written)

    def _chart(
        self,
        id: str,
        title: str,
        hint: str,
        series: list[Series],
        ends: tuple[str, str],
        written: Sequence[Sequence[str]],
    ) -> Chart:
        hits, rows = "", ""
        for number, (moment, hit) in enumerate(self._steps):
            if not self.view.points[number][1].requests:
                hits += f"{hit}no requests{HIT_END}"
                continue
            cells = [column[number] for column in written]
            said = ", ".join([f"{each.name} {cell}" for each, cell in zip(series, cells, strict=True)])
            hits += f"{hit}{said}{HIT_END}"
            rows += ROW.format(moment, "".join([f"<td>{cell}</td>" for cell in cells]))
        return Chart(
            id,
            title,
            hint,
            series,
            *ends,
            charts.ticks(self.view.range),
            mark_safe(hits),  # noqa: S308 names, numbers and units of ours
            mark_safe(rows),  # noqa: S308
        )
