"""What an API key may use, as options: spelled here once for every command that takes them."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

# name → (heading in `info-apikey`, help)
LIMITS = {
    "requests_per_minute": ("Requests per minute", "At most"),
    "tokens_per_minute": ("Tokens per minute", "Prompt and completion together, at most"),
    "parallel": ("Parallel requests", "Requests under way at once, at most"),
    "tokens_per_day": ("Tokens per day", "At most"),
    "tokens_per_month": ("Tokens per month", "At most"),
}
ENDS = ("0", "none", "")  # what takes a limit away

ExpiresOption = Annotated[
    str | None,
    typer.Option(
        "--expires", metavar="DATE", help="When it ends, e.g. 2030-12-31T18:00, in UTC; 0 or none: never."
    ),
]
ExpertsOption = Annotated[
    str | None,
    typer.Option(
        "--experts",
        metavar="NAME,…",
        help="The only model names it may ask for, with commas between; 0 or none: all.",
    ),
]


def takes_terms(command: Callable[..., None]) -> Callable[..., None]:
    """The command's parameter `terms`, a part of the request's body, becomes these options."""
    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "terms"]
    options = _options()

    @wraps(command)
    def taking(**given: Any) -> None:
        said = {name: given.pop(name) for name in options}
        command(**given, terms=_terms(said))

    every = [*own, *options.values()]
    taking.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    taking.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return taking


def _options() -> dict[str, inspect.Parameter]:
    kinds: dict[str, Any] = {name: _limit(name, text) for name, (_, text) in LIMITS.items()}
    kinds |= {"expires": ExpiresOption, "experts": ExpertsOption}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return {
        name: inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in kinds.items()
    }


def _limit(name: str, text: str) -> Any:
    option = typer.Option(f"--{name.replace('_', '-')}", metavar="N", help=f"{text}; 0 or none: no limit.")
    return Annotated[str | None, option]


def _terms(said: dict[str, str | None]) -> dict[str, Any]:
    """What was given, null for what is to end."""
    given = {name: _or_end(value) for name, value in said.items() if value is not None}
    terms: dict[str, Any] = {}
    limits = {name: value for name, value in given.items() if name in LIMITS}
    if limits:
        terms["limits"] = limits
    if "expires" in given:
        terms["expires_at"] = given["expires"]
    if "experts" in given:
        named = given["experts"]
        terms["experts"] = [name.strip() for name in named.split(",")] if named else None
    return terms


def _or_end(value: str) -> str | None:
    return None if value.strip().lower() in ENDS else value.strip()
