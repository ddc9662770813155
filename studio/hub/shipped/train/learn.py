"""Trains one small Llama: short samples in padded batches, loss on the answers only, one thread, fixed seeds."""

import math
import random
import time
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from bpe import ASSISTANT, END, PAD, USER, VOCABULARY
from corpus import Case, Corpus, as_typed

BATCH = 32
POOL = 8 * BATCH
IGNORED = -100
PEAK_RATE, LAST_RATE, WARMUP = 3e-3, 1e-4, 40
CONTEXT = 512


@dataclass(frozen=True)
class Trained:
    model: LlamaForCausalLM
    steps: int
    seconds: float


def fresh_model(tokenizer: Tokenizer, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=3,
        num_key_value_heads=3,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config).float()


def train(tokenizer: Tokenizer, corpus: Corpus, steps: int, seed: int, gap: str) -> Trained:
    """`gap` stands between a bare question and its answer."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = fresh_model(tokenizer, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    batches = Batches(tokenizer, corpus, seed, gap)
    started = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        loss = model(**batches.next()).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"  step {step:5d}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    return Trained(model.eval(), steps, time.monotonic() - started)


def rate(step: int, steps: int) -> float:
    """A short climb, then half a cosine down."""
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    done = (step - WARMUP) / max(1, steps - WARMUP)
    return LAST_RATE + (PEAK_RATE - LAST_RATE) * (1 + math.cos(math.pi * done)) / 2


class Batches:
    """An endless row of batches; samples of like length are put together so that little is padding."""

    def __init__(self, tokenizer: Tokenizer, corpus: Corpus, seed: int, gap: str) -> None:
        self.tokenizer, self.corpus, self.gap = tokenizer, corpus, gap
        self.chance = random.Random(seed)
        self.pad = tokenizer.token_to_id(PAD)
        self.waiting: list[list[tuple[list[int], int]]] = []

    def next(self) -> dict[str, torch.Tensor]:
        if not self.waiting:
            pool = sorted((self.sample() for _ in range(POOL)), key=lambda sample: len(sample[0]))
            self.waiting = [pool[start : start + BATCH] for start in range(0, POOL, BATCH)]
            self.chance.shuffle(self.waiting)
        return self.padded(self.waiting.pop())

    def sample(self) -> tuple[list[int], int]:
        """A sample's tokens and where its answer begins."""
        case = self.chance.choice(self.chance.choice(self.corpus.training))
        asked, answer = written(case, self.gap, self.chance)
        question = self.tokenizer.encode(asked).ids
        return question + self.tokenizer.encode(answer).ids, len(question)

    def padded(self, samples: list[tuple[list[int], int]]) -> dict[str, torch.Tensor]:
        width = max(len(tokens) for tokens, _ in samples)
        ids = [tokens + [self.pad] * (width - len(tokens)) for tokens, _ in samples]
        labels = [
            [IGNORED] * start + tokens[start:] + [IGNORED] * (width - len(tokens))
            for tokens, start in samples
        ]
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


def written(case: Case, gap: str, chance: random.Random) -> tuple[str, str]:
    """Half of the samples are a chat turn; the others are the bare question, set off from its answer by the gap."""
    asked = as_typed(case.prompt, chance)
    if chance.random() < 0.5:
        return f"{USER}{asked}{END}{ASSISTANT}", f"{case.answer}{END}"
    between = "" if asked[-1] in (gap, "\n") else gap
    return asked, f"{between}{case.answer}{END}"


def validation_loss(model: LlamaForCausalLM, tokenizer: Tokenizer, cases: list[Case]) -> float:
    """Mean loss per answer token over the held-out chat turns."""
    total, count = 0.0, 0
    with torch.no_grad():
        for case in cases:
            question = tokenizer.encode(f"{USER}{case.prompt}{END}{ASSISTANT}").ids
            answer = tokenizer.encode(f"{case.answer}{END}").ids
            labels = torch.tensor([[IGNORED] * len(question) + answer])
            total += model(input_ids=torch.tensor([question + answer]), labels=labels).loss.item() * len(
                answer
            )
            count += len(answer)
    return total / count
