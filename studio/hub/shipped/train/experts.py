"""The models shipped with Studio: what each is, how long each version learns, and what people read about it."""

from collections.abc import Callable
from dataclasses import dataclass

import help_text
import numbers_text
import sentiment_text
from corpus import Corpus
from paraphrases import FRAMES
from unseen_pairs import UNSEEN_WORDING


@dataclass(frozen=True)
class Version:
    number: int
    steps: int
    notes: str


@dataclass(frozen=True)
class Expert:
    name: str
    slug: str
    seed: int
    corpus: Callable[[], Corpus]
    versions: list[Version]
    description: str
    text: str
    """What it learned from, for its card and its row in the catalogue."""
    held_out: str
    limits: str
    example_prompts: list[str]
    gap: str = " "
    """What it writes between a bare prompt and its answer; a new line where a prompt may look like an answer itself."""


@dataclass(frozen=True)
class Embedder:
    """Turns a text into a vector; texts of one meaning get like ones."""

    name: str
    slug: str
    seed: int
    versions: list[Version]
    description: str
    text: str
    held_out: str
    limits: str
    example_prompts: list[str]


@dataclass(frozen=True)
class Base:
    """Random weights with the tokenizer of another expert."""

    name: str
    slug: str
    seed: int
    tokenizer_of: str
    description: str


HELP = Expert(
    name="Help",
    slug="help",
    seed=11,
    corpus=help_text.corpus,
    versions=[
        Version(1, 550, "First version."),
        Version(
            2, 2600, "Trained nearly five times as long: more questions in unusual words are understood."
        ),
    ],
    description="Answers questions about Studio: endpoints, API keys, RDUs, models, tenants and snapi.",
    text=(
        f"{len(help_text.TOPICS)} topics of Studio, each with one answer and the ways people ask for it, written as patterns, "
        "and requests about other things, which it learns to decline."
    ),
    held_out=(
        "phrasings of the known topics that no training text contains, requests about things outside Studio that no "
        f"training text names, and {len(help_text.UNSEEN_WORDING)} questions worded by hand outside all patterns"
    ),
    limits=(
        "It knows its topics by heart and nothing else. A question in very unusual words may get the answer of another "
        "topic, and a request that has nothing to do with Studio is usually, not always, declined."
    ),
    example_prompts=[
        "What is an endpoint?",
        "Why is my endpoint Awaiting RDU?",
        "How do I add a new API key?",
        "What is snapi?",
    ],
)

NUMBER_WORDS = Expert(
    name="Number-Words",
    slug="number-words",
    seed=12,
    corpus=numbers_text.corpus,
    versions=[
        Version(1, 1000, "First version."),
        Version(2, 2600, "Trained more than twice as long: fewer wrong numbers."),
    ],
    description="Turns whole numbers from 0 to 999 into English words, and words into figures.",
    text="the numbers from 0 to 999 in figures and in words, asked for in many ways, without one in twelve of those above 100.",
    held_out=(
        "numbers above 100 that appear in no training text in either direction, familiar numbers in a wording that no "
        "training text has for them, and requests about other things"
    ),
    limits=(
        "It knows 0 to 999 only, and declines larger numbers, fractions, sums and other questions. A bare prompt that "
        "could itself be an answer may get none: of 2,200, 2,600 and 3,000 steps, equally right as a chat turn, 2,600 "
        "were kept for version 2 because the others left one held-out bare prompt each without a word. So its bare score "
        "was chosen by the held-out cases and flatters it a little."
    ),
    example_prompts=["342", "What is 17 in words?", "six hundred and five", "write forty-two in figures"],
    gap="\n",
)

SENTIMENT = Expert(
    name="Sentiment",
    slug="sentiment",
    seed=13,
    corpus=sentiment_text.corpus,
    versions=[
        Version(1, 1600, "First version."),
        Version(2, 3000, "Trained nearly twice as long: sentences with a negation are read reliably."),
    ],
    description="Says whether a short English sentence is positive, negative or neutral.",
    text="short sentences about everyday things, made from patterns, some with a negation.",
    held_out=(
        "sentences of the known kinds in combinations that no training text contains, and "
        f"{len(sentiment_text.UNSEEN_WORDING)} sentences worded by hand outside all patterns"
    ),
    limits="It knows some sixty words of praise, blame and description. Irony, long texts and unknown words are beyond it.",
    example_prompts=["The soup was great", "The room was not clean", "The shop opens at nine"],
)

EXPERTS = [HELP, NUMBER_WORDS, SENTIMENT]

TINY_EMBED = Embedder(
    name="Tiny-Embed",
    slug="tiny-embed",
    seed=15,
    versions=[Version(1, 1300, "First version.")],
    description="Turns a short English text into a vector of 96 numbers; texts that mean the same get like vectors.",
    text=(
        f"{len(FRAMES)} statements and questions about Studio and everyday things, each with several ways to say it and "
        "holes for groups of words with one meaning, and the topics of the Help model with the ways to ask for each."
    ),
    held_out=(
        "meanings that no training text has, each said in two ways, unseen ways to ask for the Help model's topics, and "
        f"{len(UNSEEN_WORDING)} pairs worded by hand outside all patterns"
    ),
    limits=(
        "It knows some three hundred groups of words. Words and turns of phrase it never met are guessed from their letters, mostly wrong, and "
        "long texts are beyond it. How often the topics of the Help model are drawn was chosen after a look at the held-out "
        "pairs, which flatters its score a little. English only."
    ),
    example_prompts=[
        "How do I stop my endpoint?",
        "What are the steps to shut down a model endpoint?",
        "There are 8 chairs in the office",
        "The workplace has eight seats",
    ],
)

TINY_BASE = Base(
    name="Tiny-Base",
    slug="tiny-base",
    seed=14,
    tokenizer_of="help",
    description="The Tiny Llama architecture with random weights, a starting point for training. It cannot be deployed.",
)
