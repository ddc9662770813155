"""Events are the same however their bytes are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.gateway import sse
from endpoints.gateway.formats.call import line_of


def parts_of(whole: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


TEXT = st.text(max_size=30)
END = st.sampled_from([b"\n", b"\r\n"])


@given(st.lists(TEXT, max_size=6), END, st.lists(st.integers(0, 10**4), max_size=20), st.booleans())
def test_any_cut_gives_the_same_events(texts, end, cuts, with_comments):
    said = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    between = b": still here" + end + end if with_comments else b""
    whole = b"".join(between + b"event: x" + end + b"data: " + one + end + end for one in said)
    splitter = sse.Splitter()
    found = [event for part in parts_of(whole, cuts) for event in splitter.feed(part)]
    assert found == said


@given(
    st.lists(st.dictionaries(TEXT, TEXT), min_size=1, max_size=5),
    st.lists(st.integers(0, 10**4), max_size=20),
)
def test_our_own_lines_survive_any_cut_and_any_line_splitter(values, cuts):
    whole = b"".join(line_of(value) + b"\n" for value in values)
    text = b"".join(parts_of(whole, cuts)).decode()
    assert [json.loads(line) for line in text.splitlines()] == values


def test_several_data_lines_are_one_event():
    assert sse.Splitter().feed(b"data: a\ndata:b\n\nerror: {}\n\n") == [b"a\nb", b"{}"]


@pytest.mark.parametrize(
    ("whole", "events"),
    [
        (b"data:\ndata: x\n\n", [b"\nx"]),
        (b"data: x\r\n\ndata: y\n\n", [b"x", b"y"]),
        (b": a word\n\ndata: x\n\n", [b"x"]),
        (b"data: x\nid: 1\n\n\n\ndata: y\n\n", [b"x", b"y"]),
        (b"data: x\n\n\ndata: y\n\n", [b"x", b"y"]),
    ],
)
def test_unusual_events_are_the_same_at_every_cut(whole, events):
    for cut in range(len(whole) + 1):
        splitter = sse.Splitter()
        assert [*splitter.feed(whole[:cut]), *splitter.feed(whole[cut:])] == events


def test_an_endless_event_is_refused(monkeypatch):
    monkeypatch.setattr(sse, "LONGEST", 100)
    splitter = sse.Splitter()
    splitter.feed(b"data: " + b"x" * 80)
    with pytest.raises(sse.TooLong):
        splitter.feed(b"x" * 80)
