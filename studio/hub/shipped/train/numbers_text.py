"""What the Number-Words expert learns: whole numbers from 0 to 999, from figures to words and back."""

from corpus import Case, Corpus, digest, thin
from grammar import expand, expand_all
from small_talk import ELSEWHERE, ELSEWHERE_UNSEEN

LIMIT = 1000
REFUSAL = "I turn numbers from 0 to 999 into words and back."

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

TO_WORDS = expand_all(
    [
        "(|write|spell|say|read) NUMBER",
        "(what is|how do I write|how do you spell|how do I say|write|spell|say|put|turn|convert) NUMBER in words",
        "NUMBER (in|as|to) words",
        "(the|a) number NUMBER in words",
        "what are the words for NUMBER",
    ]
)
TO_FIGURES = expand_all(
    [
        "(|write|type) NUMBER",
        "(what is|how do I write|write|type|put|turn|convert) NUMBER (in|as|into) (figures|digits|numbers)",
        "NUMBER (in|as|to) (figures|digits|a number)",
        "(what|which) number is NUMBER",
        "give me the (figures|digits) for NUMBER",
    ]
)

BEYOND = expand(
    "(|write|what is|say) (1000|1001|1200|2000|2024|5000|7812|10000|12345|99999|1000000|3.5|-4|-17|a million|two thousand|five thousand)"
)


def in_words(number: int) -> str:
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens - 2] + (f"-{SMALL[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{SMALL[hundreds]} hundred" + (f" and {in_words(rest)}" if rest else "")


# What people try first: there are few of them, so they are learned on their own as well.
FAMILIAR = [*range(101), *range(110, LIMIT, 10), *range(101, LIMIT, 100), 999]


def is_unseen(number: int) -> bool:
    """One number in twelve is in no training prompt, in neither direction; the familiar ones are all learned."""
    return (
        number > 100 and number % 10 != 0 and number not in FAMILIAR and digest(f"number {number}") % 12 == 0
    )


def corpus() -> Corpus:
    seen = [number for number in range(LIMIT) if not is_unseen(number)]
    unseen = [number for number in range(LIMIT) if is_unseen(number)]
    to_words, to_figures = cases(seen, TO_WORDS, words=True), cases(seen, TO_FIGURES, words=False)
    short_words, short_figures = (
        cases(FAMILIAR, TO_WORDS, words=True),
        cases(FAMILIAR, TO_FIGURES, words=False),
    )
    # There are few numbers to decline beside the many other requests.
    refused = [Case(prompt, REFUSAL) for prompt in [*expand_all(ELSEWHERE), *BEYOND * 40]]
    heldout = [asked(number, words) for words in (True, False) for number in [*unseen, *FAMILIAR[::2]]]
    heldout += [Case(prompt, REFUSAL) for prompt in thin(expand_all(ELSEWHERE_UNSEEN), 10)]
    learned = [*[to_words] * 3, *[to_figures] * 2, *[short_words] * 3, short_figures, refused]
    return Corpus(training=learned, heldout=heldout)


def asked(number: int, words: bool) -> Case:
    """A number's held-out question, in a wording of several words chosen by the number."""
    frames = [frame for frame in (TO_WORDS if words else TO_FIGURES) if len(frame.split()) > 2]
    return cases([number], [frames[digest(f"frame {number}") % len(frames)]], words)[0]


def cases(numbers: list[int], frames: list[str], words: bool) -> list[Case]:
    return [
        Case(
            frame.replace("NUMBER", str(number) if words else in_words(number)),
            in_words(number) if words else str(number),
        )
        for number in numbers
        for frame in frames
    ]
