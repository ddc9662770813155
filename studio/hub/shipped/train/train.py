"""Makes the models that Studio ships: `python train.py` makes all, `python train.py help sentiment` only those.

Each version is trained from a fixed seed, written as a Hugging Face folder and as GGUF, and scored on its held-out
cases through the product's own launcher.
"""

import argparse

from tokenizers import Tokenizer

from bpe import train_tokenizer
from checkpoint import write_checkpoint
from corpus import Corpus
from experts import EXPERTS, TINY_BASE, Base, Expert, Version
from learn import fresh_model, train, validation_loss
from publish import Outcome, publish_base, publish_expert, write_heldout
from score import SHIPPED, score

TEXTS_PER_GROUP = 400


def main() -> None:
    every = {model.slug: model for model in [*EXPERTS, TINY_BASE]}
    parser = argparse.ArgumentParser(description="Train the models shipped with Studio.")
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"one of {', '.join(every)}; all when none is named"
    )
    chosen = parser.parse_args().models or list(every)
    if unknown := [slug for slug in chosen if slug not in every]:
        parser.error(f"there is no model {unknown[0]}; choose from {', '.join(every)}")
    for slug in chosen:
        model = every[slug]
        make_expert(model) if isinstance(model, Expert) else make_base(model)


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
