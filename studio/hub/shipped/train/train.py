"""Makes the models that Studio ships: `python train.py` makes all, `python train.py help sentiment` only those.

Each version is trained from a fixed seed, written as a Hugging Face folder and as GGUF, and scored on its held-out
cases through the product's own launcher.
"""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from bpe import train_tokenizer, with_end_mark
from checkpoint import write_checkpoint, write_embedder
from corpus import Corpus
from embed import embedded, heldout_loss, train_embedder
from experts import EXPERTS, TINY_BASE, TINY_EMBED, Base, Embedder, Expert, Version
from learn import fresh_model, train, validation_loss
from meanings import Meanings, meanings
from publish import Outcome, publish_base, publish_embedder, publish_expert, write_heldout, write_pairs
from retrieval import likeness, retrieval, vectors
from score import SHIPPED, score, serving

TEXTS_PER_GROUP = 400
ALIKE = 0.98


def main() -> None:
    every = {model.slug: model for model in [*EXPERTS, TINY_EMBED, TINY_BASE]}
    parser = argparse.ArgumentParser(description="Train the models shipped with Studio.")
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"one of {', '.join(every)}; all when none is named"
    )
    chosen = parser.parse_args().models or list(every)
    if unknown := [slug for slug in chosen if slug not in every]:
        parser.error(f"there is no model {unknown[0]}; choose from {', '.join(every)}")
    for slug in chosen:
        match every[slug]:
            case Expert() as expert:
                make_expert(expert)
            case Embedder() as embedder:
                make_embedder(embedder)
            case Base() as base:
                make_base(base)


def make_expert(expert: Expert) -> None:
    corpus = expert.corpus()
    tokenizer = tokenizer_for(corpus)
    write_heldout(expert, corpus.heldout)
    outcomes = [make_version(expert, version, corpus, tokenizer) for version in expert.versions]
    publish_expert(expert, fresh_model(tokenizer, expert.seed).num_parameters(), outcomes)


def make_version(expert: Expert, version: Version, corpus: Corpus, tokenizer: Tokenizer) -> Outcome:
    print(f"{expert.name}, version {version.number}", flush=True)
    folder = SHIPPED / expert.slug / str(version.number)
    trained = train(tokenizer, corpus, version.steps, expert.seed, expert.gap)
    write_checkpoint(folder, expert.name, trained.model, tokenizer)
    result = score(folder)
    print(
        f"  {result.right} of {result.cases} right, {result.bare_right} bare",
        *result.wrong,
        sep="\n    ",
        flush=True,
    )
    print(f"  {len(result.silent)} silent answers to bare prompts", *result.silent, sep="\n    ", flush=True)
    return Outcome(
        version, trained.seconds, validation_loss(trained.model, tokenizer, corpus.heldout), result
    )


def make_embedder(embedder: Embedder) -> None:
    learned = meanings()
    texts = [text for frame in learned.training for said in frame[:TEXTS_PER_GROUP] for text in said[:4]]
    tokenizer = with_end_mark(train_tokenizer(texts))
    write_pairs(embedder, learned.heldout)
    outcomes = [make_embedding(embedder, version, learned, tokenizer) for version in embedder.versions]
    publish_embedder(embedder, fresh_model(tokenizer, embedder.seed).num_parameters(), outcomes)


def make_embedding(embedder: Embedder, version: Version, learned: Meanings, tokenizer: Tokenizer) -> Outcome:
    print(f"{embedder.name}, version {version.number}", flush=True)
    folder = SHIPPED / embedder.slug / str(version.number)
    trained = train_embedder(tokenizer, learned, version.steps, embedder.seed)
    write_embedder(folder, embedder.name, trained.model, tokenizer)
    result = retrieval(folder)
    print(
        f"  {result.right} of {result.cases} right, {result.by_hand_right} of {result.by_hand} worded by hand",
        *result.wrong,
        sep="\n    ",
        flush=True,
    )
    check_served(folder, trained.model, tokenizer, [pair.query for pair in learned.heldout])
    return Outcome(version, trained.seconds, heldout_loss(trained.model, tokenizer, learned.heldout), result)


def check_served(folder: Path, model: LlamaForCausalLM, tokenizer: Tokenizer, texts: list[str]) -> None:
    """The runtime must compute what was trained, but for the rounding of eight-bit weights."""
    with serving(folder, "--embedding") as server, torch.no_grad():
        served, trained = vectors(server, texts), embedded(model, tokenizer, texts).tolist()
    least = min(likeness(*both) for both in zip(served, trained, strict=True))
    print(f"  the runtime's vectors are like the trained ones: {least:.4f} at least", flush=True)
    if least < ALIKE:
        raise SystemExit("the runtime does not compute what was trained")


def make_base(base: Base) -> None:
    """Random weights; the tokenizer is learned from another expert's text, as it would be there."""
    borrowed = next(expert for expert in EXPERTS if expert.slug == base.tokenizer_of)
    tokenizer = tokenizer_for(borrowed.corpus())
    model = fresh_model(tokenizer, base.seed)
    write_checkpoint(SHIPPED / base.slug / "1", base.name, model, tokenizer)
    publish_base(base, model.num_parameters())


def tokenizer_for(corpus: Corpus) -> Tokenizer:
    cases = [case for group in corpus.training for case in group[:TEXTS_PER_GROUP]]
    return train_tokenizer([text for case in cases for text in (case.prompt, case.answer)])


if __name__ == "__main__":
    main()
