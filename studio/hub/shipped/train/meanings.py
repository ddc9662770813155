"""From frames to meanings: which of them are learned, which are held out, and the ways to say each."""

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import help_text
from corpus import digest, held_back, plain, thin
from grammar import GROUP, expand_all
from paraphrases import FRAMES, THE, Frame
from unseen_pairs import UNSEEN_WORDING
from words import Forms

MEANINGS_PER_FRAME = 420
TEXTS_PER_MEANING = 16
TEXTS_PER_TOPIC = 120
HELD_OUT_PER_FRAME = 15
ONE_IN = 8
HOLE = re.compile(r"\{(\w)[._](\w+)\}")
AN = re.compile(r"\ba (?=[aeioAEIO]|u[gmn])")


@dataclass(frozen=True)
class Pair:
    """Two texts of one meaning. `by_hand`: outside all patterns."""

    query: str
    paraphrase: str
    by_hand: bool = False


@dataclass(frozen=True)
class Meanings:
    """Training texts as frame → meaning → texts, the topics last, and pairs of meanings kept out of training."""

    training: list[list[list[str]]]
    heldout: list[Pair]


def meanings() -> Meanings:
    """Every frame with its meanings, and as one more frame the Help model's topics, each a meaning of its own.

    A frame's held-out meanings occur in no training text; a topic's held-out texts are unseen ways to ask for it.
    """
    training, heldout = [], []
    for frame in FRAMES:
        seen, unseen = split(frame)
        training.append([said(frame, key, TEXTS_PER_MEANING) for key in seen])
        heldout += [unlike(frame, key) for key in unseen]
    topics = [held_back(expand_all(patterns)) for patterns in help_text.TOPICS.values()]
    training.append([thin(seen, TEXTS_PER_TOPIC) for seen, _ in topics])
    heldout += [Pair(*thin(unseen, 2)) for _, unseen in topics if len(unseen) > 1]
    heldout += [Pair(*pair, by_hand=True) for pair in UNSEEN_WORDING]
    kept = {plain(text) for pair in heldout for text in (pair.query, pair.paraphrase)}
    return Meanings(
        [[[text for text in texts if plain(text) not in kept] for texts in frame] for frame in training],
        heldout,
    )


Key = tuple[int, ...]
"""A meaning of a frame: the place of each hole's concept in its list."""


def split(frame: Frame) -> tuple[list[Key], list[Key]]:
    """Meanings to learn and meanings held out, by the digest of their first words, a fair part of all."""
    chance = random.Random(frame.name)
    sizes = [len(concepts) for concepts in frame.holes.values()]
    keys = list(itertools.product(*map(range, sizes)))
    keys = chance.sample(keys, min(len(keys), MEANINGS_PER_FRAME + HELD_OUT_PER_FRAME * 8))
    unseen = [key for key in keys if digest(f"{frame.name} {key}") % ONE_IN == 0][:HELD_OUT_PER_FRAME]
    out = set(unseen)
    return [key for key in keys if key not in out][:MEANINGS_PER_FRAME], unseen


def said(frame: Frame, key: Key, count: int) -> list[str]:
    """Ways to say a meaning, its patterns in turn."""
    chance = random.Random(f"{frame.name} {key}")
    patterns = itertools.islice(itertools.cycle(filled(frame, key)), count)
    return list(dict.fromkeys(one_of(pattern, chance) for pattern in patterns))


def unlike(frame: Frame, key: Key) -> Pair:
    """A held-out meaning said by two patterns."""
    chance = random.Random(f"{key} {frame.name}")
    query, paraphrase = chance.sample(list(filled(frame, key)), 2)
    return Pair(one_of(query, chance), one_of(paraphrase, chance))


def filled(frame: Frame, key: Key) -> Iterator[str]:
    concepts = {name: frame.holes[name][place] for name, place in zip(frame.holes, key, strict=True)}
    for pattern in frame.patterns:
        yield HOLE.sub(lambda hole: form_of(concepts[hole[1]], hole[2]), pattern)


def form_of(concept: Forms, form: str) -> str:
    """`{O.it}` is the bare word, `{O_the}` the word with an article."""
    return f"{THE} {concept['it']}" if form == "the" else concept[form]


def one_of(pattern: str, chance: random.Random) -> str:
    """One of the sentences that a pattern stands for."""
    text = GROUP.sub(lambda group: chance.choice(group[1].split("|")), pattern)
    return AN.sub("an ", " ".join(text.split()))
