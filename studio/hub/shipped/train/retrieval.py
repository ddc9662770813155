"""Asks a shipped embedding model which held-out paraphrase is nearest to each held-out text, through the product's
own launcher, and counts the right ones.

`python retrieval.py tiny-embed/1` prints one line of JSON. Standard library only: the product's tests run it too.
"""

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from score import SHIPPED, Server, serving

AT_ONCE = 64

Vector = list[float]


@dataclass(frozen=True)
class Retrieval:
    right: int
    cases: int
    by_hand_right: int
    by_hand: int
    """Of the pairs worded by hand, outside all patterns."""
    by_words: int
    """Right ones by counting shared words, for comparison: the texts decide, no model."""
    wrong: list[str]


def retrieval(version: Path) -> Retrieval:
    lines = (version.parent / "heldout.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    queries, paraphrases = ([case[name] for case in cases] for name in ("query", "paraphrase"))
    with serving(version, "--embedding") as server:
        asked, candidates = vectors(server, queries), vectors(server, paraphrases)
    nearest = [highest([likeness(query, each) for each in candidates]) for query in asked]
    by_words = [highest([shared(query, each) for each in paraphrases]) for query in queries]
    found = [case for place, case in enumerate(cases) if nearest[place] == place]
    return Retrieval(
        right=len(found),
        cases=len(cases),
        by_hand_right=sum(case["by_hand"] for case in found),
        by_hand=sum(case["by_hand"] for case in cases),
        by_words=sum(place == best for place, best in enumerate(by_words)),
        wrong=[
            f"{query} -> {paraphrases[best]}"
            for place, (query, best) in enumerate(zip(queries, nearest, strict=True))
            if place != best
        ],
    )


def vectors(server: Server, texts: list[str]) -> list[Vector]:
    found: list[Vector] = []
    for start in range(0, len(texts), AT_ONCE):
        answer = server.post("/v1/embeddings", {"input": texts[start : start + AT_ONCE]})
        found += [row["embedding"] for row in sorted(answer["data"], key=lambda row: row["index"])]
    return found


def likeness(one: Vector, other: Vector) -> float:
    """The cosine: the server gives vectors of length one."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def shared(one: str, other: str) -> float:
    """The share of their words that both texts have."""
    words, others = (set(re.findall(r"[\w-]+", text.lower())) for text in (one, other))
    return len(words & others) / len(words | others)


def highest(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("version", help="a shipped version, such as tiny-embed/1")
    print(json.dumps(asdict(retrieval(SHIPPED / parser.parse_args().version))))


if __name__ == "__main__":
    main()
