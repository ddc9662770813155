"""The built-in runtime: llama.cpp's OpenAI-compatible HTTP server, from the xllamacpp wheel, for one model.

`python -m scheduler.agent.serve --model PATH/model.gguf --host H --port P --alias NAME`

The instance's token stands in the file named by STUDIO_INSTANCE_TOKEN_FILE and is asked for as the API key on every
path but /health. SIGTERM ends the process at once, with open streams cut: whoever sends it has
drained the instance before. Exit codes: 0 ended by a signal, 1 the model or the port cannot be used, 2 wrong usage.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import xllamacpp

TOKEN_FILE = "STUDIO_INSTANCE_TOKEN_FILE"
THREADS = "STUDIO_SERVE_THREADS"
VERBOSITY = "STUDIO_SERVE_VERBOSITY"  # 0 silent, 1 errors, 2 warnings, 3 each request without its text
ENDING = (signal.SIGTERM, signal.SIGINT)


class WrongUsage(Exception):
    """One sentence for whoever started the process."""


def main(argv: Sequence[str] | None = None) -> None:
    options = parse(argv)
    # Blocked before the server makes its threads, which inherit the mask: the signal waits for this thread.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        params = server_params(options, token=read_token())
    except WrongUsage as refusal:
        sys.exit(refused(refusal, code=2))
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as failure:
        sys.exit(refused(f"cannot serve {options.model} on {options.host}:{options.port}: {failure}", code=1))
    print(f"{options.alias}: serving {options.model} on {server.listening_address}", flush=True)
    signal.sigwait(ENDING)
    print(f"{options.alias}: ended by a signal", flush=True)
    # The server's destructor waits for open streams without ever finishing them, so it is not called.
    os._exit(0)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scheduler.agent.serve", description="Serve one GGUF model over HTTP."
    )
    parser.add_argument("--model", type=Path, required=True, help="path of the .gguf file")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", required=True, help="the model's name in answers")
    parser.add_argument("--embedding", action="store_true", help="serve embeddings instead of text")
    parser.add_argument("--context", type=positive, default=512, metavar="N", help="tokens per request (512)")
    parser.add_argument("--parallel", type=positive, default=4, metavar="N", help="requests at once (4)")
    return parser.parse_args(argv)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def server_params(options: argparse.Namespace, token: str) -> xllamacpp.CommonParams:
    if not options.model.is_file():
        raise WrongUsage(f"the model file {options.model} does not exist")
    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.api_keys = [token]
    params.n_parallel = options.parallel
    params.n_ctx = options.context * options.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = number_from(THREADS, default=1)
    params.verbosity = number_from(VERBOSITY, default=1)
    params.endpoint_metrics = True
    params.endpoint_slots = False  # it would show the prompts of others
    params.ui = False
    params.fit_params = False  # the context is what was asked for, not what fits
    params.cache_ram_mib = 0  # no store of old prompts beside the slots
    params.cache_idle_slots = False
    if options.embedding:
        params.embedding = True  # pooled as the model's file says; one that says nothing answers 400
        # Where pooling needs an input whole in one batch, a longer one would be an error of the server.
        params.n_batch = params.n_ubatch = params.n_ctx
    return params


def read_token() -> str:
    """The token from its file; never from the command line, where every process listing shows it."""
    name = os.environ.get(TOKEN_FILE)
    if not name:
        raise WrongUsage(f"{TOKEN_FILE} must name the file with the instance's token")
    try:
        if os.stat(name).st_mode & 0o077:
            raise WrongUsage(f"the token file {name} must be readable by its owner only (mode 0600)")
        token = Path(name).read_text().strip()
    except OSError as failure:
        raise WrongUsage(f"the token file {name} cannot be read: {failure.strerror}") from failure
    if not token:
        raise WrongUsage(f"the token file {name} is empty")
    return token


def number_from(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal():
        raise WrongUsage(f"{variable} must be a number, not {text!r}")
    return int(text)


def refused(sentence: object, code: int) -> int:
    print(f"scheduler.agent.serve: {sentence}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    main()
