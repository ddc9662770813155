"""What the cards of the shipped models say is asked again, through the built-in runtime."""

import hashlib
import importlib
import json
import math
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "studio/hub/shipped"
TRAINING = SHIPPED / "train"
CATALOGUE: dict[str, Any] = json.loads((SHIPPED / "catalogue.json").read_text())
MODELS: list[dict[str, Any]] = CATALOGUE["models"]
TASKS = {app["name"]: app.get("task", "chat") for app in CATALOGUE["apps"]}
EXPERTS = [model for model in MODELS if not model["base"] and TASKS[model["app"]] == "chat"]
EMBEDDERS = [model for model in MODELS if TASKS[model["app"]] == "embedding"]
VERSIONS = [(model, version["path"]) for model in MODELS for version in model["versions"]]
WEIGHTS = {"config.json", "model.gguf", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
FILES = {
    "chat": WEIGHTS | {"chat_template.jinja", "generation_config.json"},
    "embedding": WEIGHTS | {"modules.json", "1_Pooling/config.json"},
}
TOLERANCE = 0.02  # other processors round a little differently

by_slug = pytest.mark.parametrize("expert", EXPERTS, ids=lambda model: model["slug"])
# Asking a whole held-out set takes seconds of computing: the first expert's in every run, all of them in `make soak`.
asked_at_length = pytest.mark.parametrize(
    "expert",
    [EXPERTS[0], *(pytest.param(expert, marks=pytest.mark.soak) for expert in EXPERTS[1:])],
    ids=[expert["slug"] for expert in EXPERTS],
)
by_embedder = pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda model: model["slug"])


def test_the_catalogue_names_every_shipped_model() -> None:
    folders = {path.parent.name for path in SHIPPED.glob("*/card.md")}
    assert {model["slug"] for model in MODELS} == folders
    assert {model["app"] for model in MODELS} == {app["name"] for app in CATALOGUE["apps"]}


def test_only_base_models_cannot_be_deployed() -> None:
    assert {model["slug"]: not model["deploy"] for model in MODELS} == {
        model["slug"]: model["base"] for model in MODELS
    }


@pytest.mark.parametrize(("model", "path"), VERSIONS, ids=[path for _, path in VERSIONS])
def test_the_manifest_names_every_file_as_it_is(model: dict[str, Any], path: str) -> None:
    folder, files = SHIPPED / path, FILES[TASKS[model["app"]]]
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert [file["path"] for file in listed] == sorted(files)
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert there == files | {"manifest.json"}
    for file in listed:
        content = (folder / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["slug"])
def test_the_weights_have_the_stated_number_of_parameters(model: dict[str, Any]) -> None:
    for version in model["versions"]:
        shapes = safetensors_shapes(SHIPPED / version["path"] / "model.safetensors")
        assert sum(math.prod(shape) for shape in shapes) == model["parameters_count"]


@by_slug
def test_the_held_out_cases_are_in_no_training_text(expert: dict[str, Any], training: dict[str, Any]) -> None:
    source = training[expert["slug"]]
    corpus, plain = source.corpus(), importlib.import_module("corpus").plain
    lines = (SHIPPED / expert["slug"] / "heldout.jsonl").read_text().splitlines()
    heldout = {plain(json.loads(line)["prompt"]) for line in lines}
    assert len(heldout) >= 100
    assert heldout == {plain(case.prompt) for case in corpus.heldout}
    assert not heldout & {plain(case.prompt) for group in corpus.training for case in group}


@asked_at_length
def test_each_version_answers_as_well_as_its_card_says_and_the_second_better(expert: dict[str, Any]) -> None:
    """And a bare prompt gets at least one visible word."""
    card = (SHIPPED / expert["slug"] / "card.md").read_text()
    with ThreadPoolExecutor(2) as pool:
        scores = list(pool.map(scored, [version["path"] for version in expert["versions"]]))
    for version, score in zip(expert["versions"], scores, strict=True):
        chat, bare = stated_in(card, version["number"])
        assert version["validation_accuracy"] == pytest.approx(chat, abs=0.001)
        assert score["right"] / score["cases"] >= chat - TOLERANCE, score["wrong"]
        assert score["bare_right"] / score["cases"] >= bare - TOLERANCE
        assert score["silent"] == []
    first, second = (score["right"] for score in scores)
    assert second > first


@by_slug
def test_both_versions_agree_on_the_example_prompts(expert: dict[str, Any], training: dict[str, Any]) -> None:
    answers = [said_by(version["path"], expert["example_prompts"]) for version in expert["versions"]]
    assert answers[0] == answers[1]
    assert len(set(answers[0])) > 1


def test_a_base_model_loads_and_writes_something(training: dict[str, Any]) -> None:
    score = importlib.import_module("score")
    with score.serving(SHIPPED / "tiny-base/1") as server:
        answer = server.post("/v1/completions", {"prompt": "hello", "max_tokens": 4, "ignore_eos": True})
    assert answer["usage"]["completion_tokens"] == 4


# --- the embedding model --------------------------------------------------------------------------------


@by_embedder
def test_no_held_out_text_is_learned(embedder: dict[str, Any], training: dict[str, Any]) -> None:
    """The same pairs as the scripts keep back, and none of their texts among those to learn from."""
    kept, plain = importlib.import_module("meanings").meanings(), importlib.import_module("corpus").plain
    pairs = held_out_pairs(embedder)
    assert len(pairs) >= 300
    assert sorted(pairs) == sorted((pair.query, pair.paraphrase) for pair in kept.heldout)
    texts = {plain(text) for pair in pairs for text in pair}
    assert not texts & {plain(text) for frame in kept.training for said in frame for text in said}


@by_embedder
def test_each_text_finds_its_paraphrase_as_often_as_the_card_says(
    embedder: dict[str, Any], training: dict[str, Any]
) -> None:
    """Among all held-out ones, and far more often than by counting the words they share."""
    card = (SHIPPED / embedder["slug"] / "card.md").read_text()
    for version in embedder["versions"]:
        score = found_by("retrieval.py", version["path"])
        nearest, by_hand = stated_in(card, version["number"])
        assert version["validation_accuracy"] == pytest.approx(nearest, abs=0.001)
        assert score["right"] / score["cases"] >= nearest - TOLERANCE, score["wrong"]
        assert score["by_hand_right"] / score["by_hand"] >= by_hand - 2 * TOLERANCE
        assert score["cases"] == len(held_out_pairs(embedder))
        assert score["right"] > 2 * score["by_words"]


@by_embedder
def test_the_example_prompts_come_in_pairs_of_one_meaning(
    embedder: dict[str, Any], training: dict[str, Any]
) -> None:
    retrieval, score = (importlib.import_module(name) for name in ("retrieval", "score"))
    for version in embedder["versions"]:
        with score.serving(SHIPPED / version["path"], "--embedding") as server:
            stop, halt, chairs, seats = retrieval.vectors(server, embedder["example_prompts"])
        like, unlike = retrieval.likeness(stop, halt), retrieval.likeness(stop, chairs)
        assert like > unlike + 0.3
        assert retrieval.likeness(chairs, seats) > retrieval.likeness(halt, seats) + 0.3


# --- how it is asked ------------------------------------------------------------------------------------


def scored(path: str) -> dict[str, Any]:
    return found_by("score.py", path)


def found_by(script: str, path: str) -> dict[str, Any]:
    command = [sys.executable, str(TRAINING / script), path]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def held_out_pairs(embedder: dict[str, Any]) -> list[tuple[str, str]]:
    lines = (SHIPPED / embedder["slug"] / "heldout.jsonl").read_text().splitlines()
    return [(case["query"], case["paraphrase"]) for case in map(json.loads, lines)]


@pytest.fixture(scope="module")
def training() -> Iterator[dict[str, Any]]:
    """The experts as the training scripts describe them, by slug; their texts need no training library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TRAINING)
        yield {expert.slug: expert for expert in importlib.import_module("experts").EXPERTS}


def said_by(path: str, prompts: list[str]) -> list[str]:
    with importlib.import_module("score").serving(SHIPPED / path) as server:
        return [server.chat(prompt) for prompt in prompts]


def stated_in(card: str, number: int) -> tuple[float, float]:
    """The two shares of right answers in the version's row."""
    row = next(line for line in card.splitlines() if line.startswith(f"| {number} |"))
    first, second = re.findall(r"\((\d+\.\d)%\)", row)
    return float(first) / 100, float(second) / 100


def safetensors_shapes(path: Path) -> list[list[int]]:
    """The file begins with the length of its header, which is JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
