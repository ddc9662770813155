"""JSON schemas of what predictions are asked with and answered with; `openapi.py` puts them into paths.

Requests name what is read; whatever else is sent is passed on or ignored, so nothing forbids it.
"""

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
YES_NO: Json = {"type": "boolean"}
ANYTHING: Json = {"type": "object"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def either(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


def thing(required: str = "", /, **properties: Json) -> Json:
    """An object; `required` names fields with spaces between them."""
    found: Json = {"type": "object", "properties": properties}
    return found | {"required": required.split()} if required else found


def nullable(schema: Json) -> Json:
    return either(schema, {"type": "null"})


def _param(schema: Json, description: str) -> Json:
    """Plain, as a string, or wrapped as generic v1 does; null and a blank string are as good as nothing."""
    plain = [schema, TEXT, {"type": "null"}]
    wrapped = thing("value", value={"anyOf": plain})
    return {"anyOf": [*plain, wrapped], "description": description}


FLAG = either(YES_NO, {"enum": [0, 1]})
PARAMS = thing(
    select_expert=_param(TEXT, "Which expert of a bundle answers; an alias of the model elsewhere."),
    process_prompt=_param(
        FLAG, "The prompt is a conversation, JSON in a string, for the model's chat template."
    ),
    max_tokens_to_generate=_param({"type": "integer", "minimum": 1}, "Also max_new_tokens and max_tokens."),
    do_sample=_param(FLAG, "False, the default, is greedy: temperature, top_p and top_k are then ignored."),
    temperature=_param({"type": "number", "minimum": 0, "maximum": 1}, "0 to 1."),
    top_p=_param({"type": "number", "minimum": 0, "maximum": 1}, "0 to 1."),
    top_k=_param({"type": "integer", "minimum": 1, "maximum": 100}, "1 to 100."),
    repetition_penalty=_param({"type": "number", "minimum": 1, "maximum": 10}, "1 to 10."),
    stop_sequences=_param(listed(TEXT), "A list, or one spelled as a string."),
)
TOOL_CALL = thing("function", id=TEXT, type=TEXT, function=thing("name", name=TEXT, arguments=TEXT))
COMPLETION = thing(
    "completion prompt stop_reason total_tokens_count",
    completion=TEXT,
    logprobs=ANYTHING,
    prompt=TEXT,
    stop_reason={"type": "string", "examples": ["end_of_text", "max_len_reached"]},
    tokens=listed(TEXT),
    total_tokens_count=WHOLE,
    tool_calls=listed(TOOL_CALL),
)
TOKEN = thing(
    "stream_token is_last_response",
    stream_token=TEXT,
    is_last_response={
        "type": "boolean",
        "description": "True in the last, which alone has the other fields.",
    },
    completion=TEXT,
    stop_reason=TEXT,
    prompt=TEXT,
    prompt_tokens_count=WHOLE,
    completion_tokens_count=WHOLE,
    total_tokens_count=WHOLE,
    start_time=NUMBER,
    end_time=NUMBER,
    model_execution_time=NUMBER,
    time_to_first_token=NUMBER,
    throughput_after_first_token=NUMBER,
    batch_size_used=WHOLE,
    tool_calls=listed(TOOL_CALL),
)
ITEM_VALUE = {
    "allOf": [
        ref("Completion"),
        thing(prompt_tokens_count=WHOLE, completion_tokens_count=WHOLE, model_execution_time=NUMBER),
    ]
}
ITEM_ID = {
    "type": ["string", "integer", "null"],
    "pattern": "^[^#]*$",
    "description": "The item's place if left out.",
}
V1_STATUS = thing(
    complete=YES_NO,
    exitCode=WHOLE,
    elapsedTime=NUMBER,
    message=TEXT,
    progress=NUMBER,
    progressMessage=TEXT,
    reason=TEXT,
)

MESSAGE = thing(
    "role",
    role=TEXT,
    content={"description": "A string, a list of parts, or null."},
    tool_calls=nullable(listed(ANYTHING)),
)
SAMPLED = {
    "temperature": nullable({"type": "number", "minimum": 0, "maximum": 2}),
    "top_p": nullable(NUMBER),
    "max_tokens": nullable(WHOLE),
    "stop": either(TEXT, listed(TEXT), {"type": "null"}),
    "seed": nullable(WHOLE),
    "n": nullable(WHOLE),
    "stream": nullable(YES_NO),
    "stream_options": nullable(thing(include_usage=nullable(YES_NO))),
}
USAGE = thing(
    "prompt_tokens completion_tokens total_tokens",
    prompt_tokens=WHOLE,
    completion_tokens=WHOLE,
    total_tokens=WHOLE,
)
MODEL_NAME = {
    "type": ["string", "null"],
    "description": "The model's name, an alias or an expert; the endpoint's own if left out.",
}
HEAD = {"id": TEXT, "object": TEXT, "created": WHOLE, "model": TEXT, "system_fingerprint": TEXT}
INPUTS = either(TEXT, listed(TEXT), listed(WHOLE), listed(listed(WHOLE)))
DESCRIBED = {"description": nullable(TEXT), "strict": nullable(YES_NO)}
RESPONSE_TOOL = thing(
    "type name", type={"const": "function"}, name=TEXT, parameters=nullable(ANYTHING), **DESCRIBED
)
RESPONSE_FORMAT = either(
    thing("type", type={"enum": ["text", "json_object"]}),
    thing("type schema", type={"const": "json_schema"}, name=nullable(TEXT), schema=ANYTHING, **DESCRIBED),
)


def _answer(choice: Json, usage: Json) -> Json:
    fields = HEAD | {"choices": listed(choice), "usage": usage}
    return thing(" ".join(fields), **fields)


def _choice(**said: Json) -> Json:
    return thing(" ".join(said), index=WHOLE, finish_reason=nullable(TEXT), **said)


SCHEMAS: dict[str, Json] = {
    "Error": thing("error", error=thing("code message details", code=TEXT, message=TEXT, details=ANYTHING)),
    "OpenAIError": thing(
        "error",
        error=thing(
            "code message details type param",
            code=TEXT,
            message=TEXT,
            details=ANYTHING,
            type=TEXT,
            param=nullable(TEXT),
        ),
    ),
    "Params": PARAMS,
    "Vector": listed(NUMBER),
    "Completion": COMPLETION,
    "Token": TOKEN,
    "V1Request": thing(
        "instances", instances=listed(TEXT, minItems=1, maxItems=1024), params=nullable(ref("Params"))
    ),
    "V1StreamRequest": thing("instance", instance=TEXT, params=nullable(ref("Params"))),
    "V1Answer": thing(
        "status predictions", status=V1_STATUS, predictions=listed(either(ref("Completion"), ref("Vector")))
    ),
    "V1Line": either(
        thing("result", result=thing("responses", responses=listed(ref("Token")))), ref("Error")
    ),
    "V2Request": thing(
        "items",
        items=listed(thing("value", id=ITEM_ID, value=TEXT), minItems=1, maxItems=1024),
        params=nullable(ref("Params")),
    ),
    "V2Answer": thing(
        "items",
        items=listed(
            thing(
                "id partial value params status",
                id=TEXT,
                partial=YES_NO,
                value=either(ITEM_VALUE, ref("Vector")),
                params=ANYTHING,
                status={},
            )
        ),
    ),
    "V2Line": either(
        thing("result", result=thing("items", items=listed(thing("id value", id=TEXT, value=ref("Token"))))),
        ref("Error"),
    ),
    "NLPRequest": thing(
        "inputs", inputs=either(TEXT, listed(TEXT, minItems=1, maxItems=1024)), params=nullable(ref("Params"))
    ),
    "NLPAnswer": thing(
        "data",
        data=listed(
            either(thing("completion", completion=TEXT, tool_calls=listed(TOOL_CALL)), ref("Vector"))
        ),
    ),
    "Message": MESSAGE,
    "Usage": USAGE,
    "ChatRequest": thing(
        "messages",
        model=MODEL_NAME,
        messages=listed(ref("Message"), minItems=1),
        tools=nullable(listed(thing("function", function=thing("name", name=TEXT)))),
        response_format=nullable(ANYTHING),
        **SAMPLED,
    ),
    "ChatAnswer": _answer(_choice(message=ref("Message")), ref("Usage")),
    "ChatChunk": _answer(
        _choice(delta=thing("content", role=TEXT, content=TEXT, tool_calls=listed(ANYTHING))),
        nullable(ref("Usage")),
    ),
    "CompletionsRequest": thing("prompt", model=MODEL_NAME, prompt=INPUTS, **SAMPLED),
    "CompletionsAnswer": _answer(_choice(text=TEXT), ref("Usage")),
    "CompletionsChunk": _answer(_choice(text=TEXT), nullable(ref("Usage"))),
    "EmbeddingsRequest": thing(
        "input",
        model=MODEL_NAME,
        input=INPUTS | {"description": "At most 2048 inputs, none of them empty."},
        encoding_format={"enum": ["float", "base64", None], "default": "float"},
        dimensions={
            "type": ["integer", "null"],
            "description": "Only the number that the model's embeddings have.",
        },
    ),
    "EmbeddingsAnswer": thing(
        "object data model usage",
        object=TEXT,
        data=listed(
            thing("object index embedding", object=TEXT, index=WHOLE, embedding=either(ref("Vector"), TEXT))
        ),
        model=TEXT,
        usage=thing("prompt_tokens total_tokens", prompt_tokens=WHOLE, total_tokens=WHOLE),
    ),
    "ResponsesRequest": thing(
        "input",
        model=MODEL_NAME,
        input=either(TEXT, listed(ANYTHING, minItems=1)),
        instructions=nullable(TEXT),
        max_output_tokens=nullable({"type": "integer", "minimum": 1}),
        temperature=nullable({"type": "number", "minimum": 0, "maximum": 2}),
        top_p=nullable({"type": "number", "minimum": 0, "maximum": 1}),
        tools=nullable(listed(RESPONSE_TOOL)),
        tool_choice=nullable({"description": "auto, none, required, or one of the tools by its name."}),
        text=nullable(thing(format=nullable(RESPONSE_FORMAT))),
        stream=nullable(YES_NO),
    ),
    "ResponsesAnswer": thing(
        "id object created_at status model output usage",
        id=TEXT,
        object={"const": "response"},
        created_at=WHOLE,
        status={"enum": ["in_progress", "completed", "incomplete"]},
        model=TEXT,
        output=listed(
            thing("type id status", type={"enum": ["message", "function_call"]}, id=TEXT, status=TEXT)
        ),
        incomplete_details=nullable(thing("reason", reason=TEXT)),
        usage=nullable(
            thing(
                "input_tokens output_tokens total_tokens",
                input_tokens=WHOLE,
                output_tokens=WHOLE,
                total_tokens=WHOLE,
            )
        ),
        store={"const": False},
    ),
    "ResponsesEvent": thing("type sequence_number", type=TEXT, sequence_number=WHOLE),
    "Model": thing("id object", id=TEXT, object={"const": "model"}, created=WHOLE, owned_by=TEXT),
    "Models": thing("object data", object={"const": "list"}, data=listed(ref("Model"))),
}
