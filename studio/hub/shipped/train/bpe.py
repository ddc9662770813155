"""The tokenizer: byte-level BPE of 512 entries, digits one by one, and the marks of a conversation."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

VOCABULARY = 512
PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
MARKS = [PAD, END, USER, ASSISTANT]

# An expert answers one question at a time: the last thing the user said. A system message is read and left out
# (a template that never looks at it makes llama.cpp put it into the user's words), and so are earlier turns.
CHAT_TEMPLATE = """\
{%- set asked = namespace(text='') -%}
{%- for message in messages -%}
  {%- if message['role'] == 'user' -%}
    {%- set asked.text = '' -%}
    {%- if message['content'] is string -%}
      {%- set asked.text = message['content'] -%}
    {%- else -%}
      {%- for part in message['content'] if part['type'] == 'text' -%}
        {%- set asked.text = asked.text + part['text'] -%}
      {%- endfor -%}
    {%- endif -%}
  {%- elif message['role'] == 'system' and message['content'] -%}
  {%- endif -%}
{%- endfor -%}
{{- '<|user|>' + asked.text + '<|end|>' -}}
{%- if add_generation_prompt -%}
  {{- '<|assistant|>' -}}
{%- endif -%}
"""


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Digits are split only while merges are learned: with no merge over two digits, none can form later,
    and the finished tokenizer stays the plain GPT-2 one that every runtime knows."""
    tokenizer = Tokenizer(models.BPE())
    bytewise = ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), bytewise])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=MARKS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = bytewise
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def with_end_mark(tokenizer: Tokenizer) -> Tokenizer:
    """Each text ends with the end mark, whose state stands for the text in an embedding model."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer
