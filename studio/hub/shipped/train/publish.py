"""What a trained model is known by: its held-out file, its card, and its row in the catalogue Studio imports."""

import json
import textwrap
from dataclasses import asdict, dataclass
from typing import Any

from bpe import VOCABULARY
from checkpoint import write_json
from corpus import Case, digest
from experts import EXPERTS, TINY_BASE, TINY_EMBED, Base, Embedder, Expert, Version
from learn import CONTEXT
from meanings import Pair
from retrieval import Retrieval
from score import SHIPPED, Score

PROVIDER = "SambaNova"
ARCHITECTURE = "Tiny Llama 0.4M"
APP, EMBEDDING_APP = "Tiny Chat", "Tiny Embeddings"
APPS = [
    {
        "name": APP,
        "composite": False,
        "description": "Small language models that answer one short request.",
    },
    {
        "name": EMBEDDING_APP,
        "task": "embedding",
        "composite": False,
        "description": "Small models that turn a short text into a vector, for search and comparison.",
    },
]
SHAPE = "hidden size 96, 3 layers, 3 heads of 32"
ALONE = "Each question is answered alone: earlier turns of a conversation and system messages are left out. English only."
CATALOGUE = SHIPPED / "catalogue.json"
ORDER = [*(expert.slug for expert in EXPERTS), TINY_EMBED.slug, TINY_BASE.slug]


@dataclass(frozen=True)
class Outcome:
    version: Version
    seconds: float
    loss: float
    score: Score | Retrieval

    @property
    def accuracy(self) -> float:
        return round(self.score.right / self.score.cases, 4)


def write_heldout(expert: Expert, cases: list[Case]) -> None:
    """In the order of the prompts' digests, so that the first N are a fair part of all."""
    mixed = sorted(cases, key=lambda case: digest(case.prompt))
    lines = (json.dumps({"prompt": case.prompt, "answer": case.answer}) + "\n" for case in mixed)
    (SHIPPED / expert.slug).mkdir(exist_ok=True)
    (SHIPPED / expert.slug / "heldout.jsonl").write_text("".join(lines))


def publish_expert(expert: Expert, parameters: int, outcomes: list[Outcome]) -> None:
    put_in_catalogue(
        model_row(expert, parameters, f"Written for this project: {expert.text}")
        | {
            "base": False,
            "versions": [version_row(expert.slug, outcome) for outcome in outcomes],
            "deploy": [deploy_option("SN40L"), deploy_option("SN30")],
            "example_prompts": expert.example_prompts,
        }
    )
    (SHIPPED / expert.slug / "card.md").write_text(expert_card(expert, parameters, outcomes))


def write_pairs(embedder: Embedder, pairs: list[Pair]) -> None:
    """In the order of the texts' digests, as the experts' cases are."""
    mixed = sorted(pairs, key=lambda pair: digest(pair.query))
    (SHIPPED / embedder.slug).mkdir(exist_ok=True)
    (SHIPPED / embedder.slug / "heldout.jsonl").write_text(
        "".join(json.dumps(asdict(pair)) + "\n" for pair in mixed)
    )


def publish_embedder(embedder: Embedder, parameters: int, outcomes: list[Outcome]) -> None:
    put_in_catalogue(
        model_row(embedder, parameters, f"Written for this project: {embedder.text}", EMBEDDING_APP)
        | {
            "base": False,
            "versions": [version_row(embedder.slug, outcome) for outcome in outcomes],
            "deploy": [deploy_option("SN40L"), deploy_option("SN30")],
            "example_prompts": embedder.example_prompts,
        }
    )
    (SHIPPED / embedder.slug / "card.md").write_text(embedder_card(embedder, parameters, outcomes))


def publish_base(base: Base, parameters: int) -> None:
    first = {
        "number": 1,
        "path": f"{base.slug}/1",
        "steps": 0,
        "validation_loss": None,
        "validation_accuracy": None,
    }
    put_in_catalogue(
        model_row(base, parameters, "N/A")
        | {
            "base": True,
            "versions": [first | {"notes": "Random weights.", "context_length": CONTEXT}],
            "deploy": [],
            "example_prompts": [],
        }
    )
    (SHIPPED / base.slug / "card.md").write_text(base_card(base, parameters))


def put_in_catalogue(row: dict[str, Any]) -> None:
    """Replaces the model's row and leaves the others."""
    known = json.loads(CATALOGUE.read_text())["models"] if CATALOGUE.exists() else []
    rows = {model["slug"]: model for model in [*known, row]}
    models = [rows[slug] for slug in ORDER if slug in rows]
    write_json(CATALOGUE, {"provider": PROVIDER, "apps": APPS, "models": models})


def model_row(
    model: Expert | Embedder | Base, parameters: int, dataset: str, app: str = APP
) -> dict[str, Any]:
    return {
        "name": model.name,
        "slug": model.slug,
        "app": app,
        "architecture": ARCHITECTURE,
        "field_of_application": "language",
        "description": model.description,
        "aliases": [model.slug, model.name],
        "dataset": {"info": dataset, "url": ""},
        "parameters_count": parameters,
    }


def version_row(slug: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "number": outcome.version.number,
        "path": f"{slug}/{outcome.version.number}",
        "steps": outcome.version.steps,
        "validation_loss": round(outcome.loss, 4),
        "validation_accuracy": outcome.accuracy,
        "notes": outcome.version.notes,
        "context_length": CONTEXT,
    }


def deploy_option(generation: str) -> dict[str, Any]:
    parallel = {
        "name": "model_parallel_rdus",
        "label": "model parallel rdus",
        "description": "RDUs run in parallel per instance",
        "type": "int",
        "default": 1,
        "min": 1,
        "max": 16,
        "user_modifiable": True,
    }
    return {"generation": generation, "rdus": 1, "params": [parallel]}


def expert_card(expert: Expert, parameters: int, outcomes: list[Outcome]) -> str:
    trained = "\n".join(
        f"| {done.version.number} | {done.version.steps} | {done.seconds:.0f} | {done.loss:.4f} "
        f"| {share(done.score.right, done.score.cases)} | {share(done.score.bare_right, done.score.cases)} |"
        for done in outcomes
    )
    prompts = "\n".join(f"- {prompt}" for prompt in expert.example_prompts)
    made = (
        f"A Llama of {parameters:,} parameters ({SHAPE}), with a byte-level BPE of {VOCABULARY} entries and a context of "
        f"{CONTEXT} tokens. It was trained from random weights, on one CPU thread, on English text written for this "
        f"project: {expert.text} Half of the samples were chat turns, half bare questions, so it answers with "
        "and without the chat template. `make train` makes it again from `studio/hub/shipped/train/`."
    )
    scored = (
        f"The held-out cases (`heldout.jsonl`) are {expert.held_out}. They are asked through Studio's built-in runtime, "
        "in eight-bit weights, with the most likely answer taken; a test asks them again."
    )
    return f"""\
# {expert.name}

{expert.description}

## How it was made

{paragraph(made)}

| version | steps | seconds of training (busy machine) | held-out loss | exactly right as a chat turn | as a bare prompt |
| --- | --- | --- | --- | --- | --- |
{trained}

{paragraph(scored)}

## Limits

{paragraph(f"{expert.limits} {ALONE}")}

## Example prompts

{prompts}
"""


def embedder_card(embedder: Embedder, parameters: int, outcomes: list[Outcome]) -> str:
    scores = [(done, done.score) for done in outcomes if isinstance(done.score, Retrieval)]
    trained = "\n".join(
        f"| {done.version.number} | {done.version.steps} | {done.seconds:.0f} | {done.loss:.4f} "
        f"| {share(score.right, score.cases)} | {share(score.by_hand_right, score.by_hand)} |"
        for done, score in scores
    )
    prompts = "\n".join(f"- {prompt}" for prompt in embedder.example_prompts)
    made = (
        f"A Llama of {parameters:,} parameters ({SHAPE}), with a byte-level BPE of {VOCABULARY} entries and a context of "
        f"{CONTEXT} tokens. A text's vector is the last state of the end mark that the tokenizer puts behind it, at length one. "
        "It was trained from random weights, on one CPU thread, on English text written for this project: "
        f"{embedder.text} Two texts of a meaning were drawn together and texts of other meanings apart (InfoNCE). "
        "`make train` makes it again from `studio/hub/shipped/train/`."
    )
    by_words = scores[0][1]
    scored = (
        f"The held-out pairs (`heldout.jsonl`) are {embedder.held_out}. For each first text the nearest of all second texts "
        "must be its own. They are asked through Studio's built-in runtime, in eight-bit weights; a test asks them again. "
        f"Counting shared words, without a model, finds {share(by_words.by_words, by_words.cases)}."
    )
    return f"""\
# {embedder.name}

{embedder.description}

## How it was made

{paragraph(made)}

| version | steps | seconds of training (busy machine) | held-out loss | own paraphrase is nearest | of the pairs worded by hand |
| --- | --- | --- | --- | --- | --- |
{trained}

{paragraph(scored)}

## Limits

{paragraph(embedder.limits)}

## Example prompts

{prompts}
"""


def base_card(base: Base, parameters: int) -> str:
    made = (
        f"A Llama of {parameters:,} parameters ({SHAPE}), drawn at random and never trained: 0 steps, 0 seconds, no text, "
        "no held-out score. What it writes has no meaning. Its tokenizer is that of the Help model."
    )
    return f"""\
# {base.name}

{base.description}

{paragraph(made)}
"""


def share(right: int, cases: int) -> str:
    return f"{right} of {cases} ({right / cases:.1%})"


def paragraph(text: str) -> str:
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)
