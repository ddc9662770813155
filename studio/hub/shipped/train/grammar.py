"""Phrasings written as patterns: "how (do|can) I (add|make) a key" stands for four sentences."""

import re

GROUP = re.compile(r"\(([^()]*)\)")


def expand(pattern: str) -> list[str]:
    """All sentences a pattern stands for, in the order they are written; an alternative may be empty."""
    group = GROUP.search(pattern)
    if group is None:
        return [" ".join(pattern.split())]
    before, after = pattern[: group.start()], pattern[group.end() :]
    return [sentence for choice in group[1].split("|") for sentence in expand(f"{before}{choice}{after}")]


def expand_all(patterns: list[str]) -> list[str]:
    """The sentences of several patterns, each once."""
    return list(dict.fromkeys(sentence for pattern in patterns for sentence in expand(pattern)))
