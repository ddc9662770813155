"""Every deed that the audit knows is one that changes what somebody may see or do, or is named as none."""

import ast
from collections.abc import Iterator

from studio.standing.rules import OF_CONSEQUENCE, OF_NO_CONSEQUENCE
from tests.db.test_audited import functions

VERBS = {verb for _, verb in OF_CONSEQUENCE | OF_NO_CONSEQUENCE}
ELSEWHERE = {"repair"}  # written by the doctor
WRITERS = ("record", "_record", "_say_ended", "_wish")


def written(function: ast.FunctionDef) -> Iterator[str]:
    """The verbs that stand in it: as they are given, or in what a name was made of that is given."""
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
            continue
        name = call.func.id
        if name == "_record_move" or isinstance(call.args[0], ast.Constant):
            continue  # moves and the hub say the kind of thing first; their verbs stand where they are written
        if name.startswith(WRITERS):
            yield from texts(call.args[1])
            if isinstance(call.args[1], ast.Name):
                yield from made_of(function, call.args[1].id)


def made_of(function: ast.FunctionDef, name: str) -> Iterator[str]:
    for each in ast.walk(function):
        if isinstance(each, ast.Assign) and name in names(*each.targets):
            yield from texts(each.value)
        elif isinstance(each, ast.For) and name in names(each.target):
            yield from texts(each.iter)


def names(*nodes: ast.AST) -> set[str]:
    return {each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)}


def texts(node: ast.AST) -> Iterator[str]:
    """Without the keys of a mapping, by which a verb is only looked up."""
    keys = {key for each in ast.walk(node) if isinstance(each, ast.Dict) for key in each.keys}
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each not in keys:
            yield each.value


def test_what_services_write_down_is_named_and_nothing_else_is() -> None:
    """Say in studio/standing/rules.py whether a new verb changes what somebody may see or do."""
    known = {verb: place for place, function in functions().items() for verb in written(function)}
    assert {verb: place for verb, place in known.items() if verb not in VERBS} == {}
    assert known.keys() | ELSEWHERE == VERBS
