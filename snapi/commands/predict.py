"""`snapi endpoint predict`: ask an endpoint, and see its answer grow."""

import json
import sys
from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.errors import NotReached, Refused, Unreachable, WrongUsage
from snapi.options import EndpointOption, JsonOption, ProjectOption
from snapi.output import plain

EPILOG = (
    '\b\nExample:\n  snapi endpoint predict --project demo --endpoint hello --prompt "What is an RDU?"\n\n'
    "\b\nOr with the prompt from standard input:\n"
    "  cat letter.txt | snapi endpoint predict --endpoint hello --max-tokens 200"
)


def predict(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What to ask; else standard input is read.")
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="Said before the prompt.")] = None,
    plain_text: Annotated[
        bool, typer.Option("--plain", help="Send the prompt as it is, not as a message of a chat.")
    ] = False,
    expert: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which expert of a bundle answers.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="0-1", help="How bold; without it: not at all.")
    ] = None,
    apikey: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The endpoint's API key; else its First Key, if you may see it."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Ask an endpoint; the answer is printed as it comes."""
    body = _body(_prompt(prompt), system, plain_text, expert, max_tokens, temperature)
    with Client(config.load()) as client:
        found = client.endpoint_info(endpoint, project=project)
        key = apikey or str(found.get("api_key") or "")
        if not key.isascii() or not key:
            raise WrongUsage("You may not see this endpoint's API keys; name one with --apikey.")
        _tell(client, str(found.get("stream_url")), key, body, json_output)


def _tell(client: Client, path: str, key: str, body: dict[str, Any], as_json: bool) -> None:
    ended = False
    try:
        for piece in client.predict(path, key, body):
            if as_json:
                typer.echo(json.dumps(piece, ensure_ascii=False))
            elif "error" not in piece:
                typer.echo(plain(str(piece.get("stream_token") or "")), nl=False)
                sys.stdout.flush()
            if "error" in piece:
                raise NotReached(f"The answer broke off: {_sentence(piece)}")
            ended = ended or bool(piece.get("is_last_response"))
    except Refused as refused:
        refused.exit_code = Refused.exit_code  # the endpoint's key, not the person's
        raise
    if not ended:
        raise Unreachable("The answer broke off.")
    if not as_json:
        typer.echo("")


def _prompt(given: str | None) -> str:
    text = sys.stdin.read() if given is None and not sys.stdin.isatty() else given
    if not text or not text.strip():
        raise WrongUsage("There is nothing to ask; give --prompt, or the prompt on standard input.")
    return text


def _body(
    prompt: str,
    system: str | None,
    plain_text: bool,
    expert: str | None,
    max_tokens: int | None,
    temperature: float | None,
) -> dict[str, Any]:
    """As the generic API takes it: values as strings, each with its type."""
    if plain_text and system is not None:
        raise WrongUsage("--system is a message of a chat; leave --plain out.")
    messages = [{"role": "system", "content": system}] if system is not None else []
    messages.append({"role": "user", "content": prompt})
    params: dict[str, tuple[str, object]] = {"process_prompt": ("bool", not plain_text)}
    if expert is not None:
        params["select_expert"] = ("str", expert)
    if max_tokens is not None:
        params["max_tokens_to_generate"] = ("int", max_tokens)
    if temperature is not None:
        params |= {"do_sample": ("bool", temperature > 0), "temperature": ("float", temperature)}
    return {
        "instance": prompt if plain_text else json.dumps({"messages": messages}, ensure_ascii=False),
        "params": {name: {"type": kind, "value": str(value)} for name, (kind, value) in params.items()},
    }


def _sentence(piece: dict[str, Any]) -> str:
    error = piece.get("error")
    return str(error.get("message") if isinstance(error, dict) else error)
