"""Parameters in all spellings: whatever a client writes for a value, the same value is read."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.gateway.errors import Refused
from endpoints.gateway.formats import params

BOOLS = {True: [True, "True", "true", "TRUE", "1", 1], False: [False, "False", "false", "0", 0]}


@st.composite
def spelled(draw, value):
    """The value as it is, as Python's str() or as JSON's, bare or wrapped as v1 does."""
    if isinstance(value, bool):
        written = draw(st.sampled_from(BOOLS[value]))
    elif isinstance(value, str):
        written = value
    else:
        written = draw(st.sampled_from([value, str(value), json.dumps(value)]))
    kind = draw(st.sampled_from(["", type(value).__name__, "string"]))
    return {"type": kind, "value": written} if kind else written


TEXTS = st.lists(st.text(string.ascii_letters + "'\"\\\n é[]", min_size=1), min_size=1, max_size=4)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "select_expert": st.text(string.ascii_letters + "-1", min_size=1).filter(
            lambda t: t not in {"None", "null"}
        ),
        "process_prompt": st.booleans(),
        "do_sample": st.booleans(),
        "max_tokens_to_generate": st.integers(1, 10**6),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "repetition_penalty": st.floats(1, 10),
        "stop_sequences": TEXTS,
    },
)
KEPT_AS = {"max_tokens_to_generate": "max_tokens", "stop_sequences": "stop"}


@given(st.data(), WISHES)
def test_every_spelling_is_read_as_the_same_value(data, wish):
    raw = {name: data.draw(spelled(value), label=name) for name, value in wish.items()}
    raw |= {"unknown": {"type": "x", "value": "y"}, "top_pp": None}
    read = params.read(raw)
    for name, value in wish.items():
        assert getattr(read, KEPT_AS.get(name, name)) == value


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=20)
NOISE = (
    PLAIN
    | st.lists(PLAIN, max_size=3)
    | st.fixed_dictionaries({"value": PLAIN | st.lists(PLAIN, max_size=2)})
)


@given(st.dictionaries(st.sampled_from(sorted(params.READERS)), NOISE))
def test_noise_is_read_or_refused_by_name(raw):
    refused = None
    try:
        params.read(raw)
    except Refused as caught:
        refused = caught
    assert refused is None or (refused.status == 400 and refused.param in raw)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("temperature", "1.5", "between 0 and 1"),
        ("temperature", "warm", "must be a number"),
        ("temperature", "nan", "finite"),
        ("top_p", -0.1, "between 0 and 1"),
        ("top_k", 0, "between 1 and 100"),
        ("top_k", "2.5", "whole number"),
        ("repetition_penalty", 0.5, "between 1 and 10"),
        ("max_tokens_to_generate", 0, "between 1 and"),
        ("do_sample", "perhaps", "true or false"),
        ("stop_sequences", 7, "list of strings"),
        ("select_expert", 7, "string"),
    ],
)
def test_a_wrong_value_is_named(name, value, says):
    with pytest.raises(Refused, match=says) as refusal:
        params.read({name: {"type": "str", "value": value}})
    assert refusal.value.param == name


@pytest.mark.parametrize("blank", [None, "", " ", "None", {"type": "NoneType", "value": "None"}])
def test_a_blank_says_nothing(blank):
    assert params.read({"temperature": blank, "do_sample": blank}) == params.Params()


def test_greedy_leaves_sampling_out():
    assert params.read({"temperature": 0.9, "top_p": 0.5}).sampling() == {"temperature": 0.0}
    sampled = params.read({"temperature": 0.9, "top_p": 0.5, "do_sample": True}).sampling()
    assert sampled == {"temperature": 0.9, "top_p": 0.5}
