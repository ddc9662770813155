"""What the Sentiment expert learns: whether a sentence speaks well, badly or neither of something."""

from corpus import Case, Corpus, digest, held_back, thin
from grammar import expand

POSITIVE, NEGATIVE, NEUTRAL = "positive", "negative", "neutral"

GOOD = (
    "good great wonderful excellent lovely superb brilliant fantastic pleasant delightful perfect friendly helpful "
    "charming amazing beautiful tasty fresh clean quick reliable comfortable"
).split()
BAD = (
    "bad awful terrible horrible poor dreadful ugly boring rude slow dirty broken useless disappointing noisy nasty "
    "stale weak annoying painful unreliable uncomfortable"
).split()
PLAIN = (
    "green blue red round square wooden open closed tall short wide narrow grey metal northern yellow plastic brown "
    "local small"
).split()
ASPECTS = (
    "food service room hotel film book staff coffee phone car garden train music teacher game soup flat shop screen "
    "bread waiter plot beach lamp cake bus"
).split()
VERBS_GOOD = "love enjoy like adore recommend admire".split()
VERBS_BAD = "hate dislike regret despise detest avoid".split()
VERBS_PLAIN = "saw noticed passed found described mentioned photographed painted".split()

JOINED = "(the|my|this|that|our) ASPECT (was|is|seems) (WORD|very WORD|really WORD|so WORD|quite WORD)"
COLOURED = "(the|my|this|that|our) ASPECT (was|is|seems) WORD"
NEGATED = "(the|my|this|that|our) ASPECT (was not|is not|was never|is never) WORD"
EXCLAIMED = "what A WORD ASPECT"
HAD = "(we had|it was|I found|they gave us) A WORD ASPECT"
FELT = "I (|really |always |truly )VERB (the|this|that|my) ASPECT"
DID = "(I|we|they|she|he) VERB the ASPECT (|yesterday|today|on Monday|at noon|last week)"

FACTS = expand(
    "(the shop|the train|the office|the meeting|the museum|the bus|the lesson|the call) (opens|starts|ends|closes|begins) "
    "at (nine|ten|noon|six|eight|four)"
) + expand(
    "(the box|the bag|the key|the letter|the cup|the chair) is (on|under|near|beside) (the table|the door|the shelf|the desk|the window)"
)

# Sentences worded by hand, outside all patterns.
UNSEEN_WORDING: list[tuple[str, str]] = [
    ("the soup was great and the staff was friendly", POSITIVE),
    ("an awful film with a boring plot", NEGATIVE),
    ("we arrived at the hotel at six", NEUTRAL),
    ("I would recommend this book", POSITIVE),
    ("never again, the room was so dirty", NEGATIVE),
    ("the meeting is on Monday", NEUTRAL),
    ("such a lovely garden", POSITIVE),
    ("the phone is broken again", NEGATIVE),
    ("my car is blue", NEUTRAL),
    ("not a good hotel", NEGATIVE),
]

FRAMES = [
    "SENTENCE",
    "SENTENCE",
    "SENTENCE",
    "sentiment: SENTENCE",
    "SENTENCE - positive, negative or neutral",
    "is this positive or negative: SENTENCE",
]


def corpus() -> Corpus:
    groups, heldout = [], []
    for sentences, answer in labelled():
        seen, unseen = held_back(sentences, one_in=20)
        groups.append(
            [Case(frame.replace("SENTENCE", sentence), answer) for sentence in seen for frame in FRAMES]
        )
        heldout += [Case(sentence, answer) for sentence in thin(unseen, 12)]
    heldout += [Case(sentence, answer) for sentence, answer in UNSEEN_WORDING]
    return Corpus(training=groups, heldout=heldout)


def labelled() -> list[tuple[list[str], str]]:
    """Kinds of sentences with what they say; each kind is drawn equally often."""
    return [
        (filled(JOINED, WORD=GOOD) + filled(EXCLAIMED, WORD=GOOD) + filled(HAD, WORD=GOOD), POSITIVE),
        (filled(JOINED, WORD=BAD) + filled(EXCLAIMED, WORD=BAD) + filled(HAD, WORD=BAD), NEGATIVE),
        (filled(COLOURED, WORD=PLAIN) + filled(HAD, WORD=PLAIN), NEUTRAL),
        (filled(NEGATED, WORD=BAD), POSITIVE),
        (filled(NEGATED, WORD=GOOD), NEGATIVE),
        (filled(NEGATED, WORD=PLAIN), NEUTRAL),
        (filled(FELT, VERB=VERBS_GOOD), POSITIVE),
        (filled(FELT, VERB=VERBS_BAD), NEGATIVE),
        (filled(DID, VERB=VERBS_PLAIN) + FACTS, NEUTRAL),
        (doubled(GOOD), POSITIVE),
        (doubled(BAD), NEGATIVE),
    ]


def filled(pattern: str, **words: list[str]) -> list[str]:
    """A pattern with every aspect and word set in; one in three is enough to learn from."""
    (name, choices), sentences = next(iter(words.items())), expand(pattern)
    every = [
        sentence.replace("ASPECT", aspect).replace(" A ", f" {article(word)} ").replace(name, word)
        for sentence in sentences
        for aspect in ASPECTS
        for word in choices
    ]
    return [sentence for sentence in every if digest(f"kept {sentence}") % 3 == 0]


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def doubled(words: list[str]) -> list[str]:
    """Two aspects of one mind."""
    return [
        f"the {first} was {word} and the {second} was {words[(place + 5) % len(words)]}"
        for place, word in enumerate(words)
        for first in ASPECTS
        for second in ASPECTS[:8]
        if first != second
    ]
