"""What a format tells the limits: which model is asked, how large the prompt is, how much may be generated."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.gateway.formats import generic_v1, generic_v2, nlp, openai, openai_embeddings, responses
from endpoints.gateway.formats.call import size_of
from endpoints.wire import Route

ROUTE = Route(endpoint="e", project="p", version=1, model="served", names=["Help"], experts=["expert"])
EMBEDS = Route(endpoint="e", project="p", version=1, model="served", names=["Help"], task="embedding")
ASK = [{"role": "user", "content": "Häh?"}]  # 4 + 4 + 7 + 5 bytes
TEMPLATED = {"instance": json.dumps({"messages": ASK}), "params": {"process_prompt": True}}
TOOL = {"type": "function", "function": {"name": "f"}}  # 4 + 8 + 8 + 4 + 1 bytes

CASES = [
    (generic_v1.PREDICT, {"instances": ["ab", "é"]}, [2, 2], [None, None]),
    (generic_v1.PREDICT, {"instances": ["ab"], "params": {"max_tokens_to_generate": "7"}}, [2], [7]),
    (generic_v1.STREAM, TEMPLATED, [20], [None]),
    (generic_v2.PREDICT, {"items": [{"value": "abc"}], "params": {"max_new_tokens": 3}}, [3], [3]),
    (nlp.PREDICT, {"inputs": ["a", '{"prompt": "bc"}']}, [1, 2], [None, None]),
    (openai.CHAT_COMPLETIONS, {"messages": ASK}, [20], [None]),
    (openai.CHAT_COMPLETIONS, {"messages": ASK, "tools": [TOOL], "max_completion_tokens": 9}, [45], [9]),
    (openai.CHAT_COMPLETIONS, {"messages": ASK, "max_tokens": 5, "n": 3}, [20], [15]),
    (openai.CHAT_COMPLETIONS, {"messages": ASK, "max_tokens": -1}, [20], [None]),
    (openai.COMPLETIONS, {"prompt": "abc", "max_tokens": 5}, [3], [5]),
    (openai.COMPLETIONS, {"prompt": ["ab", "c"], "max_tokens": 5}, [3], [10]),
    (openai.COMPLETIONS, {"prompt": [7, 8, 9], "max_tokens": 5}, [3], [5]),
    (responses.Responses(), {"input": "Häh?", "max_output_tokens": 4}, [20], [4]),
]  # fmt: skip
EMBEDDING_CASES = [
    (openai_embeddings.EMBEDDINGS, {"input": ["ab", "c"]}, [3]),
    (openai_embeddings.EMBEDDINGS, {"input": [[1, 2], [3]]}, [3]),
    (generic_v1.PREDICT, {"instances": ["ab", "c"]}, [2, 1]),
]


@pytest.mark.parametrize(("dialect", "body", "sizes", "most"), CASES)
def test_prompts_are_measured_and_what_may_be_generated(dialect, body, sizes, most):
    calls = dialect.read(orjson.dumps(body), ROUTE).calls
    assert [call.prompt_bytes for call in calls] == sizes
    assert [call.max_tokens for call in calls] == most


@pytest.mark.parametrize(("dialect", "body", "sizes"), EMBEDDING_CASES)
def test_embeddings_generate_nothing(dialect, body, sizes):
    calls = dialect.read(orjson.dumps(body), EMBEDS).calls
    assert [call.prompt_bytes for call in calls] == sizes
    assert {call.max_tokens for call in calls} == {0}


@pytest.mark.parametrize(("said", "known"), [(None, "served"), ("Help", "served"), ("expert", "expert")])
def test_the_name_is_the_one_behind_every_alias(said, known):
    spoken = [
        (generic_v1.PREDICT, {"instances": ["x"], "params": {"select_expert": said}}),
        (generic_v2.STREAM, {"items": [{"value": "x"}], "params": {"select_expert": said}}),
        (nlp.PREDICT, {"inputs": "x", "params": {"select_expert": said}}),
        (openai.CHAT_COMPLETIONS, {"messages": ASK, "model": said}),
        (openai.COMPLETIONS, {"prompt": "x", "model": said}),
        (responses.Responses(), {"input": "x", "model": said}),
    ]
    assert [dialect.read(orjson.dumps(body), ROUTE).model_name for dialect, body in spoken] == [known] * 6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_no_text_is_left_out_of_the_size(value):
    def texts(value):
        if isinstance(value, str):
            return [value]
        inside = (
            [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
        )
        return [text for part in inside for text in texts(part)]

    assert size_of(value) >= sum(len(text.encode()) for text in texts(value))
