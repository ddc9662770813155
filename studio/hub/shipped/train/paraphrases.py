"""What the embedding model learns from: ways to say one thing, as patterns over interchangeable words.

A concept is a group of words with one meaning. A frame is one statement or question with holes for concepts; any
of its patterns says the same. Frame and concepts together are a meaning, and each way of saying it a paraphrase.
"""

from dataclasses import dataclass

from words import (
    CHIPS,
    CITIES,
    COUNTED,
    DAYS,
    DEEDS,
    EVENTS,
    HOURS,
    LOOKS,
    MODELS,
    MOODS,
    NUMBERS,
    PEOPLE,
    PLACES,
    THINGS,
    TRADES,
    VEHICLES,
    WEATHER,
    Forms,
)


@dataclass(frozen=True)
class Frame:
    name: str
    holes: dict[str, list[Forms]]
    patterns: list[str]


THE = "(the|my|this|our)"

FRAMES = [
    Frame(
        "how to do it",
        {"A": DEEDS, "O": THINGS},
        [
            "(how do I|how can I|how do you|how does one|how to) {A.do} (the|my|a|this) {O.it}",
            "(what is the way|what are the steps|what must I do|what do I do) to {A.do} (the|my|a|this) {O.it}",
            "(show me|tell me|explain|teach me) how to {A.do} (the|my|a|this) {O.it}",
            "(I want|I need|I would like|I have) to {A.do} (the|my|a|this) {O.it}",
            "(instructions for|a guide to|help with) {A.doing} (the|a|my) {O.it}",
            "{A.doing} (the|a|my) {O.it}, how (does it work|is it done)",
        ],
    ),
    Frame(
        "somebody did it",
        {"P": PEOPLE, "A": DEEDS, "O": THINGS},
        [
            "{P.it} has {A.done} (the|a) {O.it}",
            "(the|a) {O.it} (was|has been) {A.done} by {P.it}",
            "it was {P.it} who {A.done} (the|a) {O.it}",
            "{P.it} is (done with|finished with) {A.doing} (the|a) {O.it}",
            "the {A.doing} of (the|a) {O.it} was done by {P.it}",
        ],
    ),
    Frame(
        "forbidden",
        {"A": DEEDS, "O": THINGS},
        [
            "(do not|don't|never) {A.do} {O_the}",
            "(you must not|you may not|nobody may|nobody should) {A.do} {O_the}",
            "{A.doing} {O_the} is (forbidden|not allowed|prohibited)",
            "it is (forbidden|not allowed|prohibited) to {A.do} {O_the}",
            "{O_the} must not be {A.done}",
        ],
    ),
    Frame(
        "may I",
        {"A": DEEDS, "O": THINGS},
        [
            "(may I|am I allowed to|do I have permission to) {A.do} {O_the}",
            "is it (allowed|permitted|all right) to {A.do} {O_the}",
            "may {O_the} be {A.done} by me",
            "is {A.doing} {O_the} (allowed|permitted|all right)",
        ],
    ),
    Frame(
        "it fails",
        {"A": DEEDS, "O": THINGS},
        [
            "(I cannot|I can't|I am unable to|I am not able to) {A.do} {O_the}",
            "{A.doing} {O_the} (fails|does not succeed|is not possible)",
            "it is (impossible|not possible) to {A.do} {O_the}",
            "(my attempt|I tried and failed) to {A.do} {O_the}",
            "{O_the} cannot be {A.done}",
        ],
    ),
    Frame(
        "who did it",
        {"A": DEEDS, "O": THINGS},
        [
            "(who|which person) has {A.done} {O_the}",
            "by whom was {O_the} {A.done}",
            "(I want to know|tell me|do you know) who {A.done} {O_the}",
            "who is responsible for {A.doing} {O_the}",
        ],
    ),
    Frame(
        "when was it",
        {"A": DEEDS, "O": THINGS},
        [
            "(when|at what time|on which day) was {O_the} {A.done}",
            "(I want to know|tell me|do you know) when {O_the} was {A.done}",
            "what was the (time|date|day) of {A.doing} {O_the}",
            "when did they {A.do} {O_the}",
        ],
    ),
    Frame(
        "why was it",
        {"A": DEEDS, "O": THINGS},
        [
            "(why|for what reason) was {O_the} {A.done}",
            "what (is|was) the (reason|purpose) (of|for) {A.doing} {O_the}",
            "what made them {A.do} {O_the}",
            "(I want to know|tell me|do you know) why {O_the} was {A.done}",
            "why did they {A.do} {O_the}",
        ],
    ),
    Frame(
        "where is it",
        {"O": THINGS},
        [
            "where is {O_the}",
            "(I cannot find|I have lost|I am looking for|I am searching for) {O_the}",
            "{O_the} is (missing|lost|gone)",
            "{O_the} has disappeared",
            "(has anybody seen|does anybody know the place of) {O_the}",
        ],
    ),
    Frame(
        "broken",
        {"O": THINGS},
        [
            "{O_the} (does not work|is broken|is out of order|is defective)",
            "(something|there is something) wrong with {O_the}",
            "{O_the} has a (defect|fault)",
            "there is a (problem|fault) with {O_the}",
        ],
    ),
    Frame(
        "works",
        {"O": THINGS},
        [
            "{O_the} (works well|works fine|is in good order|is in good shape)",
            "(nothing is|there is nothing) wrong with {O_the}",
            "there is no (problem|fault) with {O_the}",
            "{O_the} has no (defect|fault)",
        ],
    ),
    Frame(
        "too dear",
        {"O": THINGS},
        [
            "{O_the} is too (expensive|dear)",
            "{O_the} costs too much",
            "(I cannot afford|I cannot pay for|I have no money for) {O_the}",
            "the price of {O_the} is too high",
        ],
    ),
    Frame(
        "cheap",
        {"O": THINGS},
        [
            "{O_the} is (cheap|inexpensive)",
            "{O_the} costs (little|not much|next to nothing)",
            "the price of {O_the} is low",
            "anybody can afford {O_the}",
        ],
    ),
    Frame(
        "price",
        {"O": THINGS},
        [
            "(how much|what) does {O_the} cost",
            "what is the (price|cost) of {O_the}",
            "(how much|how much money) do I pay for {O_the}",
            "tell me the price of {O_the}",
        ],
    ),
    Frame(
        "looks",
        {"O": THINGS, "L": LOOKS},
        [
            "{O_the} is {L.it}",
            "{O_the} (looks|seems) {L.it}",
            "(what a|this is a|we have a|here is a) {L.it} {O.it}",
            "how {L.it} {O_the} is",
        ],
    ),
    Frame(
        "likes it",
        {"P": PEOPLE, "O": THINGS},
        [
            "{P.it} (likes|loves|adores|enjoys) the {O.it}",
            "{P.it} is (fond of|keen on) the {O.it}",
            "the {O.it} (pleases|delights) {P.it}",
            "the {O.it} is a favourite of {P.it}",
        ],
    ),
    Frame(
        "dislikes it",
        {"P": PEOPLE, "O": THINGS},
        [
            "{P.it} (hates|dislikes|cannot stand|does not like) the {O.it}",
            "{P.it} is not (fond of|keen on) the {O.it}",
            "the {O.it} (annoys|disgusts) {P.it}",
            "{P.it} has no love for the {O.it}",
        ],
    ),
    Frame(
        "owns it",
        {"P": PEOPLE, "O": THINGS},
        [
            "the {O.it} belongs to {P.it}",
            "{P.it} (owns|possesses) the {O.it}",
            "the {O.it} is the property of {P.it}",
            "the {O.it} is owned by {P.it}",
        ],
    ),
    Frame(
        "is there",
        {"O": THINGS, "W": PLACES},
        [
            "the {O.it} is (in|at) the {W.it}",
            "(you will find|you find|I saw|I found) the {O.it} (in|at) the {W.it}",
            "(in|at) the {W.it} there is the {O.it}",
            "the {W.it} is where the {O.it} is",
        ],
    ),
    Frame(
        "how many there",
        {"N": NUMBERS, "C": COUNTED, "W": PLACES},
        [
            "there are {N.it} {C.many} (in|at) the {W.it}",
            "the {W.it} (has|holds|contains) {N.it} {C.many}",
            "{N.it} {C.many} are (in|at) the {W.it}",
            "I counted {N.it} {C.many} (in|at) the {W.it}",
        ],
    ),
    Frame(
        "needs some",
        {"N": NUMBERS, "C": COUNTED},
        [
            "(I need|we need|we require|I want) {N.it} {C.many}",
            "(give me|bring me|get me) {N.it} {C.many}",
            "{N.it} {C.many} are (needed|required|wanted)",
            "we (have a need for|could use) {N.it} {C.many}",
        ],
    ),
    Frame(
        "free ones",
        {"N": NUMBERS, "C": COUNTED},
        [
            "{N.it} {C.many} are (free|available|idle|unused)",
            "there are {N.it} (free|available|idle|unused) {C.many}",
            "we have {N.it} {C.many} that nobody uses",
            "the number of (free|available|unused) {C.many} is {N.it}",
        ],
    ),
    Frame(
        "taken ones",
        {"N": NUMBERS, "C": COUNTED},
        [
            "{N.it} {C.many} are (taken|busy|occupied|in use)",
            "there are {N.it} (taken|busy|occupied) {C.many}",
            "somebody uses {N.it} {C.many} already",
            "the number of (taken|busy|occupied) {C.many} is {N.it}",
        ],
    ),
    Frame(
        "arrives",
        {"P": PEOPLE, "T": HOURS},
        [
            "{P.it} (comes|arrives|will come|will arrive) at {T.it}",
            "we expect {P.it} at {T.it}",
            "the arrival of {P.it} is at {T.it}",
            "at {T.it} {P.it} will be here",
        ],
    ),
    Frame(
        "weather",
        {"W": WEATHER, "Y": CITIES},
        [
            "(it is|today it is) {W.it} in {Y.it}",
            "{Y.it} has {W.it} weather",
            "there is {W.many} in {Y.it}",
            "the weather in {Y.it} is {W.it}",
            "(they have|people see) {W.many} in {Y.it}",
        ],
    ),
    Frame(
        "travels",
        {"P": PEOPLE, "Y": CITIES, "V": VEHICLES},
        [
            "{P.it} (goes|travels) to {Y.it} by {V.it}",
            "{P.it} takes (the|a) {V.it} to {Y.it}",
            "(a|the) {V.it} (brings|takes) {P.it} to {Y.it}",
            "to get to {Y.it}, {P.it} uses (the|a) {V.it}",
        ],
    ),
    Frame(
        "mood",
        {"P": PEOPLE, "M": MOODS},
        [
            "{P.it} is {M.it}",
            "{P.it} feels {M.it}",
            "{P.it} (looks|seems) {M.it}",
            "how {M.it} {P.it} is",
        ],
    ),
    Frame(
        "trade",
        {"P": PEOPLE, "J": TRADES},
        [
            "{P.it} (works|earns a living) as a {J.it}",
            "{P.it} is a {J.it} by (trade|profession)",
            "the (job|profession) of {P.it} is {J.it}",
            "{P.it} has become a {J.it}",
        ],
    ),
    Frame(
        "on that day",
        {"E": EVENTS, "D": DAYS},
        [
            "the {E.it} is on {D.it}",
            "on {D.it} (we have|there is) the {E.it}",
            "the {E.it} (takes place|happens) on {D.it}",
            "{D.it} is the day of the {E.it}",
        ],
    ),
    Frame(
        "runs on",
        {"M": MODELS, "G": CHIPS},
        [
            "(deploy|run|put|serve) {M.it} on {G.it}",
            "{M.it} (should|must|is to) run on {G.it}",
            "I want {M.it} on {G.it}",
            "use {G.it} for {M.it}",
        ],
    ),
    Frame(
        "scale to",
        {"M": MODELS, "N": NUMBERS},
        [
            "(give|grant) {M.it} {N.it} instances",
            "(run|start|deploy) {N.it} (instances|replicas) of {M.it}",
            "{M.it} (should have|needs) {N.it} (instances|replicas)",
            "scale {M.it} to {N.it} (instances|replicas)",
        ],
    ),
]  # fmt: skip
