"""Questions with their answers, how they are split, and how people really type them."""

import hashlib
import random
from dataclasses import dataclass, field

OPENINGS = [
    "",
    "",
    "",
    "",
    "",
    "please ",
    "please tell me, ",
    "hi, ",
    "hello, ",
    "ok, ",
    "can you tell me: ",
    "question: ",
]
ENDINGS = ["", "?", "?", "?", ".", " ?", "!", " please", " please?", "\n", " "]


@dataclass(frozen=True)
class Case:
    prompt: str
    answer: str


@dataclass(frozen=True)
class Corpus:
    """Groups of cases, each drawn equally often, and the cases kept out of training."""

    training: list[list[Case]]
    heldout: list[Case] = field(default_factory=list)

    def __post_init__(self) -> None:
        kept = {plain(case.prompt) for case in self.heldout}
        for group in self.training:
            group[:] = [case for case in group if plain(case.prompt) not in kept]


def plain(prompt: str) -> str:
    """What two spellings of one question share."""
    return " ".join(prompt.lower().strip(" ?.!:,\n").split())


def held_back(prompts: list[str], one_in: int = 8) -> tuple[list[str], list[str]]:
    """Splits by the prompt's own digest, so that adding a pattern moves no other prompt; one or two words are
    always learned, as there is nothing to infer them from."""
    unseen = {prompt for prompt in prompts if len(prompt.split()) > 2 and digest(prompt) % one_in == 0}
    return [prompt for prompt in prompts if prompt not in unseen], sorted(unseen)


def thin(prompts: list[str], at_most: int) -> list[str]:
    return sorted(sorted(prompts, key=digest)[:at_most])


def digest(prompt: str) -> int:
    return int.from_bytes(hashlib.sha256(plain(prompt).encode()).digest()[:6], "big")


def as_typed(prompt: str, chance: random.Random) -> str:
    """The same question with another opening, ending or case."""
    text = chance.choice(OPENINGS) + prompt + chance.choice(ENDINGS)
    if chance.random() < 0.08:
        text = mistyped(text, chance)
    if chance.random() < 0.4:
        return text.lower()
    return text[0].upper() + text[1:]


def mistyped(text: str, chance: random.Random) -> str:
    """One letter is lost."""
    place = chance.randrange(1, len(text))
    return text[:place] + text[place + 1 :] if text[place].isalpha() else text
