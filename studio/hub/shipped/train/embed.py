"""Trains the embedding model: two texts of one meaning are drawn together, texts of other meanings apart (InfoNCE).

A text's embedding is the last state of its end mark, at length one, as the runtime computes it.
"""

import random
import time

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, normalize
from transformers import LlamaForCausalLM

from bpe import PAD
from corpus import as_typed
from learn import Trained, fresh_model, rate
from meanings import Meanings, Pair

FRAMES_AT_ONCE, FROM_EACH = 5, 12
TEMPERATURE = 0.06
PLAIN_SHARE = 0.5  # of the texts; the others are mistyped, begun and ended as people do
FILLED_SHARE = 0.2  # of the texts; a word that says nothing stands somewhere among the others
FILLERS = "really quite very rather now just today still also simply surely again so indeed".split()


def train_embedder(tokenizer: Tokenizer, meanings: Meanings, steps: int, seed: int) -> Trained:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = fresh_model(tokenizer, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)
    batches = PairBatches(meanings, seed)
    started = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        texts = batches.next()
        loss = contrast(embedded(model, tokenizer, texts))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"  step {step:5d}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    return Trained(model.eval(), steps, time.monotonic() - started)


class PairBatches:
    """An endless row of batches: two texts of each of some meanings, no meaning twice.

    Some meanings of a frame come together, so that telling their words apart is learned and not only the frames;
    some topics are in every batch, as each is a frame of its own.
    """

    def __init__(self, meanings: Meanings, seed: int) -> None:
        *self.frames, self.topics = meanings.training
        self.chance = random.Random(seed)

    def next(self) -> list[str]:
        """First texts of all meanings, then second ones in the same order."""
        frames = [*self.chance.sample(self.frames, FRAMES_AT_ONCE), self.topics]
        drawn = [texts for frame in frames for texts in self.chance.sample(frame, min(FROM_EACH, len(frame)))]
        pairs = [self.chance.sample(texts, 2) for texts in drawn]
        return [self.typed(first) for first, _ in pairs] + [self.typed(second) for _, second in pairs]

    def typed(self, text: str) -> str:
        if self.chance.random() < FILLED_SHARE:
            words = text.split()
            words.insert(self.chance.randrange(len(words) + 1), self.chance.choice(FILLERS))
            text = " ".join(words)
        return text if self.chance.random() < PLAIN_SHARE else as_typed(text, self.chance)


def embedded(model: LlamaForCausalLM, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    rows = [tokenizer.encode(text).ids for text in texts]
    width, pad = max(map(len, rows)), tokenizer.token_to_id(PAD)
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    states = model.model(input_ids=ids).last_hidden_state  # what comes after a text does not reach back to it
    ends = torch.tensor([len(row) - 1 for row in rows])
    return normalize(states[torch.arange(len(rows)), ends], dim=-1)


def contrast(vectors: torch.Tensor) -> torch.Tensor:
    """Each first text must find its second one among all second texts, and the other way round."""
    first, second = vectors.chunk(2)
    likeness = first @ second.T / TEMPERATURE
    right = torch.arange(len(first))
    return (cross_entropy(likeness, right) + cross_entropy(likeness.T, right)) / 2


def heldout_loss(model: LlamaForCausalLM, tokenizer: Tokenizer, pairs: list[Pair]) -> float:
    """The training loss over the held-out pairs as one batch."""
    texts = [pair.query for pair in pairs] + [pair.paraphrase for pair in pairs]
    with torch.no_grad():
        return contrast(embedded(model, tokenizer, texts)).item()
