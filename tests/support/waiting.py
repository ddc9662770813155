"""Waiting for a condition, never for a duration."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

Found = TypeVar("Found")
LATER = 0.05  # of the time it has taken so far: the longer it takes, the more rarely is looked,
LATEST = 0.2  # and with this pause at most, so that looking costs those nothing who are waited for


def eventually(
    condition: Callable[[], Found], timeout: float = 10.0, every: float = 0.02, what: str = ""
) -> Found:
    """The first truthy answer of `condition`; an AssertionError inside it counts as "not yet".

    Looks every `every` seconds at first, later more rarely. Raises AssertionError after `timeout` seconds, with
    the last answer or the last complaint.
    """
    begun = time.monotonic()
    while True:
        answer, complaint = _ask(condition)
        if answer:
            return answer
        taken = time.monotonic() - begun
        if taken >= timeout:
            raise _gave_up(condition, timeout, what, answer, complaint) from complaint
        time.sleep(_pause(every, taken))


async def eventually_async(
    condition: Callable[[], Found | Awaitable[Found]],
    timeout: float = 10.0,
    every: float = 0.02,
    what: str = "",
) -> Found:
    """`eventually` for coroutines: the loop keeps running between two looks."""
    begun = time.monotonic()
    while True:
        answer, complaint = None, None
        try:
            seen = condition()
            answer = await seen if isawaitable(seen) else seen
        except AssertionError as error:
            complaint = error
        if answer:
            return answer
        taken = time.monotonic() - begun
        if taken >= timeout:
            raise _gave_up(condition, timeout, what, answer, complaint) from complaint
        await asyncio.sleep(_pause(every, taken))


def _pause(every: float, taken: float) -> float:
    return max(every, min(LATEST, taken * LATER))


def _ask(condition: Callable[[], Found]) -> tuple[Found | None, AssertionError | None]:
    try:
        return condition(), None
    except AssertionError as error:
        return None, error


def _gave_up(condition, timeout, what, answer, complaint) -> AssertionError:
    name = what or getattr(condition, "__name__", repr(condition))
    last = complaint if complaint is not None else repr(answer)
    return AssertionError(f"not within {timeout:g} s: {name} (last seen: {last})")
