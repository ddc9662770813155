"""What a prediction costs besides the model: `python -m tests.bench.gateway`.

The proxy under test has one core, the load generator and a fake model server together another one. Targets are
measured in turn, round after round; figures are medians, and only ratios within one run mean anything. Prints
the figures beside the goals and asserts nothing.
"""

import argparse
import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import uvloop

from tests.bench.gateway import report
from tests.bench.gateway.load import Target
from tests.bench.gateway.measure import measure
from tests.bench.gateway.own import Audit, Own, Variant, gateway, routed
from tests.bench.gateway.proxies import CORES, LOAD_CORE, Missing, Proxy, litellm, nginx, on_core
from tests.bench.gateway.upstream import ModelServer

Entered = TypeVar("Entered")


def main() -> None:
    options = _options()
    with on_core(LOAD_CORE):
        uvloop.run(_bench(options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="gateway,nginx", help="targets, separated by commas")
    parser.add_argument(
        "--litellm", action="store_true", help="the LiteLLM proxy too; it gets an environment of its own"
    )
    parser.add_argument(
        "--variant", action="append", default=[], type=Variant.read, metavar="NAME:WORD WORD ...",
        help="the gateway once more, with arguments or, as NAME=VALUE, another environment",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="all figures, for programs")
    return parser.parse_args()


async def _bench(options: argparse.Namespace) -> None:
    wanted = {name.strip() for name in options.only.split(",")}
    peers = [("nginx", nginx)] if "nginx" in wanted else []
    peers += [("litellm", litellm)] if options.litellm or "litellm" in wanted else []
    variants = [*([Variant()] if "gateway" in wanted else []), *options.variant]
    missing: dict[str, str] = {}
    async with ModelServer.started() as server:
        with ExitStack() as stack:
            proxies = [Proxy("direct", Target(server.port))]
            for name, peer in peers:
                try:
                    proxies.append(await _entered(stack, lambda peer=peer: peer(server.port)))
                except Missing as reason:
                    missing[name] = str(reason)
            owns: list[Own] = []
            if variants:
                broker, control = await _entered(stack, lambda: routed(server.port))
            for variant in variants:
                owns.append(await _entered(stack, lambda variant=variant: gateway(variant, broker, control)))
            proxies += [proxy for own in owns for proxy in (own.open, own.limited)]
            records = await measure(proxies, rounds=options.rounds, seconds=options.seconds)
            audits = [await Audit.of(own, records) for own in owns]
    result = report.Result(records, owns, audits, missing, len(CORES), server.answers + server.streams)
    print(json.dumps(report.figures(result), indent=2) if options.json else report.text(result))


async def _entered(stack: ExitStack, opened: Callable[[], AbstractContextManager[Entered]]) -> Entered:
    """In a thread of its own: what starts may ask the model server, which lives in this one."""
    return await asyncio.to_thread(lambda: stack.enter_context(opened()))


if __name__ == "__main__":
    main()
