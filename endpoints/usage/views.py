"""The Usage tab of the Endpoint window: tiles, charts and the table of keys."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import chain, compress, repeat
from typing import Any
from urllib.parse import urlencode

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from apikeys import services as keys
from apikeys.models import ApiKey
from apikeys.rules import masked
from endpoints.models import Endpoint
from endpoints.usage import charts, rules
from endpoints.usage.selectors import Sums, UsageView, usage_of
from studio import htmx
from studio.templatetags.drawn import icon

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


# The steps of six charts are some hundred tags; joined here they cost a tenth of what a template's loop does, and
# the charts around them a quarter.
HIT = '<rect class="hit" x="{:.1f}" width="{:.1f}" height="{}"><title>{}: '
HIT_END = "</title></rect>"
ROW, CELL_END, ROW_END = '<tr><th scope="row">{}</th><td>', "</td><td>", "</td></tr>"
PENS = {
    "bar": '<rect class="bar" data-series="{}" width="8" height="8" x="4" rx="2"/>',
    "curve": '<path class="curve" data-series="{}" d="M1 4H15"/>',
}


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
    hits: str
    rows: str

    @property
    def drawn(self) -> SafeString:
        """The whole figure. All that stands in it are names, numbers and units of ours."""
        hint = f" <small>{escape(self.hint)}</small>" if self.hint else ""
        head = (
            f"<figcaption><h3>{self.title}{hint}</h3>"
            f'<ul class="series">{"".join([self._legend(each) for each in self.series])}</ul></figcaption>'
        )
        is_empty = not any(each.path for each in self.series)
        nothing = '<p class="nothing">Nothing was measured in this time.</p>'
        inside = nothing if is_empty else self._plot() + self._table()
        return mark_safe(f'<figure class="chart">{head}{inside}</figure>')  # noqa: S308

    @property
    def _pen(self) -> str:
        return "bar" if self.id in ("requests", "tokens") else "curve"

    def _legend(self, series: Series) -> str:
        pen = PENS[self._pen].format(series.kind)
        picture = f'<svg viewBox="0 0 16 8" aria-hidden="true">{pen}</svg>'
        return f"<li>{picture}{series.name} <b>{series.value}</b></li>"

    def _plot(self) -> str:
        """With what somebody hears who does not see it."""
        name, says = f"chart-{self.id}", f"chart-{self.id}-says"
        summary = ", ".join([f"{each.name} {each.value}" for each in self.series])
        paths = "".join(
            [f'<path class="{self._pen}" data-series="{each.kind}" d="{each.path}"/>' for each in self.series]
        )
        return (
            f'<div class="plot"><ol class="y" aria-hidden="true"><li>{self.top}</li><li>{self.middle}</li>'
            f'<li>0</li></ol><svg viewBox="0 0 {charts.WIDTH} {charts.HEIGHT}" preserveAspectRatio="none"'
            f' role="img" aria-labelledby="{name} {says}"><title id="{name}">{self.title}</title>'
            f'<desc id="{says}">{summary}</desc><path class="grid" d="M0 .5H600M0 60H600M0 119.5H600"/>'
            f'{paths}{self.hits}</svg><ol class="x" aria-hidden="true">'
            f"{''.join([f'<li>{tick}</li>' for tick in self.ticks])}</ol></div>"
        )

    def _table(self) -> str:
        heads = "".join([f'<th scope="col">{each.name}</th>' for each in self.series])
        return (
            f'<details class="numbers"><summary>{icon("right")}As a table</summary><div tabindex="0"'
            f' role="region" aria-label="{self.title} as a table"><table><thead><tr><th scope="col">Time</th>'
            f"{heads}</tr></thead><tbody>{self.rows}</tbody></table></div></details>"
        )


@dataclass(frozen=True, slots=True)
class Steps:
    """What each chart has alike: of every step that was used, how its tag and its row begin.

    A tag begins with the tags of those without requests before it, and `rest` are those behind the last.
    """

    ticks: list[str]
    used: list[Sums] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    rest: str = ""


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
    def _steps(self) -> Steps:
        width = charts.WIDTH / len(self.view.points)
        steps, idle = Steps(charts.ticks(self.view.range)), ""
        for number, (start, sums) in enumerate(self.view.points):
            moment = charts.when(start, self.view.range)
            tag = HIT.format(number * width, width, charts.HEIGHT, moment)
            if sums.requests:
                steps.used.append(sums)
                steps.tags.append(idle + tag)
                steps.rows.append(ROW.format(moment))
                idle = ""
            else:
                idle += f"{tag}no requests{HIT_END}"
        return replace(steps, rest=idle)

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
        written = [[charts.number(count(sums)) for sums in self._steps.used] for _, count in of]
        return self._chart(id, title, "", series, (charts.number(top), charts.number(top / 2)), written)

    def _lines(self, name: str) -> Chart:
        title, hint = TIMES[name]
        steps = [rules.percentiles(sums.times[name].buckets, PERCENTS) for _, sums in self.view.points]
        columns = list(zip(*steps, strict=True))
        top = charts.top_of([value for column in columns for value in column if value is not None])
        whole = rules.percentiles(self.total.times[name].buckets, PERCENTS)
        series = [
            Series(f"P{percent}", f"p{percent}", charts.line(column, top), charts.duration(value))
            for percent, column, value in zip(PERCENTS, columns, whole, strict=True)
        ]
        is_used = [bool(sums.requests) for _, sums in self.view.points]
        written = [[charts.duration(value) for value in compress(column, is_used)] for column in columns]
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
        names = [f"{each.name} " for each in series]
        tags = _woven(self._steps.tags, names[:1] + [f", {name}" for name in names[1:]], written, HIT_END)
        rows = _woven(self._steps.rows, ["", *[CELL_END] * (len(names) - 1)], written, ROW_END)
        return Chart(id, title, hint, series, *ends, self._steps.ticks, tags + self._steps.rest, rows)


def _woven(heads: Sequence[str], between: Sequence[str], columns: Sequence[Sequence[str]], end: str) -> str:
    """Each head, then its cell of each column with what stands before it, then the end."""
    strands: list[Iterable[str]] = [heads]
    for before, column in zip(between, columns, strict=True):
        strands += [repeat(before), column]
    return "".join(chain.from_iterable(zip(*strands, repeat(end), strict=False)))
