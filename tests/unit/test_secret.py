"""Secrets print masked wherever something prints: settings, the environment's, what is sent over the wires."""

import copy
import io
import json
import logging
import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
import structlog

from endpoints.gateway import settings as gateway
from endpoints.wire import Upstream
from scheduler.agent.probe import Target
from scheduler.wire import Runtime, Wished
from studio import env, settings
from studio.secret import MaskedText, Secret

VALUE = "the-value-of-a-secret"


def logged(secret: object) -> str:
    said = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(said))
    logger.warning("secret %s %r", secret, secret)
    structlog.wrap_logger(structlog.PrintLogger(said), processors=[structlog.processors.JSONRenderer()]).msg(
        "said", secret=secret
    )
    return said.getvalue()


def traced(secret: object) -> str:
    """As tools print it that show the variables of each frame."""
    try:
        raise ValueError(secret)
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


SHOWN = {
    "repr": repr,
    "str": str,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret:>40}",
    "format": "{}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "in a list": lambda secret: repr([secret, {"key": secret}]),
    "log": logged,
    "traceback": traced,
    "copy": lambda secret: repr(copy.copy([secret])),
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_secret_is_masked(way: str) -> None:
    shown = SHOWN[way](Secret(VALUE))
    assert VALUE not in shown
    assert "••••" in shown or "\\u2022" in shown


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, copy.deepcopy])
def test_a_secret_is_written_nowhere(write: Any) -> None:
    with pytest.raises(TypeError):
        write(Secret(VALUE))


def test_a_secret_is_what_it_is() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(VALUE) == Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE


def test_text_for_libraries_is_itself_but_not_where_it_is_shown() -> None:
    text = MaskedText(VALUE)
    assert (text == VALUE, f"{text}", VALUE in repr({"PASSWORD": text})) == (True, VALUE, False)


@pytest.mark.parametrize("name", env.SECRETS)
def test_every_secret_of_the_environment_is_of_the_type(name: str) -> None:
    assert isinstance(env.secret(name), Secret)


def test_no_setting_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [env.secret(name).reveal() for name in env.SECRETS]
    shown = {name: repr(value) for name, value in vars(settings).items() if name.isupper()}
    assert {name for name, text in shown.items() if any(value in text for value in values)} == set()
    assert isinstance(settings.DATABASES["default"]["PASSWORD"], MaskedText)
    assert not any(value in repr(gateway.from_environment()) for value in values)


def test_no_variable_of_a_secret_is_read_as_plain_text() -> None:
    """Whoever reads `os.environ` for a secret goes past the type."""
    secrets = {f"STUDIO_{name.upper()}" for name in env.SECRETS}
    assert secrets <= set(os.environ), "the run has them as variables"
    sources = [
        module.__file__
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("studio", "endpoints", "apikeys", "scheduler") and module.__file__
    ]
    texts = {path: Path(path).read_text() for path in sources}
    direct = [path for path, text in texts.items() if any(f'text("{secret}")' in text for secret in secrets)]
    assert direct == []


@pytest.mark.parametrize(
    "made",
    [
        Upstream("i", "127.0.0.1", 1, VALUE),
        Target("127.0.0.1", 1, VALUE),
        Wished(
            "i",
            "e",
            "run",
            1,
            "Help",
            [],
            Runtime(*[None] * len(Runtime.__struct_fields__)),
            [],
            {},
            VALUE,
            1,
        ),
    ],
    ids=lambda made: type(made).__name__,
)
def test_what_goes_over_a_wire_shows_no_token(made: object) -> None:
    assert VALUE not in repr(made)
