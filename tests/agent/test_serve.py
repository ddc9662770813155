"""The built-in runtime's launcher, as a real process with the smallest shipped model."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / "studio/hub/shipped/help/1/model.gguf"
EMBEDDER = REPOSITORY / "studio/hub/shipped/tiny-embed/1/model.gguf"
TOKEN = "a-token-of-this-test"
IN_FLIGHT = ("llamacpp:requests_processing", "llamacpp:requests_deferred")


class Served:
    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.client = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            trust_env=False,
            verify=False,
        )

    def metrics(self) -> dict[str, float]:
        lines = self.client.get("/metrics").text.splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("instance") / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN + "\n")
    return path


@pytest.fixture(scope="module")
def served(token_file: Path) -> Iterator[Served]:
    yield from serve(token_file)


@pytest.fixture(scope="module")
def embedding(token_file: Path) -> Iterator[Served]:
    yield from serve(token_file, "--embedding", model=EMBEDDER)


@pytest.fixture
def served_alone(token_file: Path) -> Iterator[Served]:
    """One that the test may end."""
    yield from serve(token_file)


def serve(token_file: Path, *more: str, model: Path = MODEL) -> Iterator[Served]:
    process = launch(token_file, "--model", str(model), *more)
    line = process.stdout.readline()
    try:
        yield Served(process, line.split()[-1])
    finally:
        process.kill()
        process.communicate()


def launch(token_file: Path | None, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "STUDIO_INSTANCE_TOKEN_FILE"}
    if token_file:
        environment["STUDIO_INSTANCE_TOKEN_FILE"] = str(token_file)
    where = ["--host", "127.0.0.1", "--port", "0", "--alias", "help"]
    return subprocess.Popen(
        [sys.executable, "-m", "scheduler.agent.serve", *where, *options],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refusal(token_file: Path | None, *options: str) -> tuple[int, str]:
    process = launch(token_file, *options)
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors


# --- what it answers ------------------------------------------------------------------------------------


def test_health_needs_no_token(served: Served) -> None:
    answer = httpx.get(served.client.base_url.join("/health"), trust_env=False, verify=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_chat_answers_under_its_alias_and_counts_tokens(served: Served) -> None:
    body = {"model": "help", "messages": [{"role": "user", "content": "What is an endpoint?"}]}
    answer = served.client.post("/v1/chat/completions", json=body).json()
    assert answer["model"] == "help"
    assert "Predict URL" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 5


def test_a_conversation_is_answered_by_its_last_question(served: Served) -> None:
    question = {
        "role": "user",
        "content": [{"type": "text", "text": "What is an "}, {"type": "text", "text": "endpoint?"}],
    }
    earlier = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is snapi?"},
        {"role": "assistant", "content": "snapi is the command line of Studio."},
    ]
    alone = served.client.post("/v1/chat/completions", json={"messages": [question]}).json()
    after = served.client.post("/v1/chat/completions", json={"messages": [*earlier, question]}).json()
    assert after["choices"][0]["message"] == alone["choices"][0]["message"]


def test_completion_of_bare_text(served: Served) -> None:
    answer = served.client.post("/v1/completions", json={"prompt": "What is an endpoint?"}).json()
    assert answer["choices"][0]["text"].strip()


def test_a_stream_has_the_words_of_the_whole_answer(served: Served) -> None:
    body = {"messages": [{"role": "user", "content": "What is an endpoint?"}], "temperature": 0}
    whole = served.client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
    with served.client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as answer:
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
    assert len(pieces) > 5
    assert "".join(pieces) == whole


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/props", "/tokenize"])
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer another-token"}])
def test_without_the_token_everything_else_is_401(served: Served, path: str, header: dict[str, str]) -> None:
    assert (
        httpx.get(
            served.client.base_url.join(path), headers=header, trust_env=False, verify=False
        ).status_code
        == 401
    )


def test_metrics_count_what_is_in_flight(served: Served) -> None:
    """Four slots work, the others wait; the counts are what an instance is drained by."""
    assert [served.metrics()[name] for name in IN_FLIGHT] == [0, 0]
    body = {"prompt": "x", "max_tokens": 400, "ignore_eos": True}
    clients = [
        threading.Thread(target=served.client.post, args=("/v1/completions",), kwargs={"json": body})
        for _ in range(24)
    ]
    for client in clients:
        client.start()
    most = [0.0, 0.0]
    while any(client.is_alive() for client in clients):
        now = served.metrics()
        most = [max(seen, now[name]) for seen, name in zip(most, IN_FLIGHT, strict=True)]
    assert most[0] == 4
    assert most[1] > 0
    assert [served.metrics()[name] for name in IN_FLIGHT] == [0, 0]


def test_it_is_small_and_rests_when_idle(served: Served) -> None:
    process = psutil.Process(served.process.pid)

    def rests() -> bool:
        before = sum(process.cpu_times()[:2])
        threading.Event().wait(1.0)
        return round(sum(process.cpu_times()[:2]) - before, 2) <= 0.02  # two ticks of the kernel's clock

    eventually(rests, what="it rests once the answers before are done")
    assert process.memory_info().rss < 90 * 2**20


def test_the_token_stands_on_no_command_line(served: Served) -> None:
    assert TOKEN not in " ".join(psutil.Process(served.process.pid).cmdline())


# --- embeddings -----------------------------------------------------------------------------------------


def embed(served: Served, *texts: str) -> list[list[float]]:
    answer = served.client.post("/v1/embeddings", json={"input": list(texts)}).json()
    return [row["embedding"] for row in answer["data"]]


def test_each_text_gets_a_vector_of_96_numbers_and_length_one(embedding: Served) -> None:
    one, two = embed(embedding, "The office has eight chairs", "x")
    assert one != two
    for vector in (one, two):
        assert len(vector) == 96
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-4)


def test_a_text_has_the_same_vector_alone_and_among_others(embedding: Served) -> None:
    (alone,) = embed(embedding, "How do I stop my endpoint?")
    assert embed(embedding, "How do I stop my endpoint?") == [alone]
    many = embed(embedding, *(f"{number} chairs" for number in range(20)), "How do I stop my endpoint?")
    assert many[-1] == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize("words", [300, 1_100, 3_000, 20_000])
def test_a_text_beyond_the_context_is_the_askers_mistake(embedding: Served, words: int) -> None:
    """Less than a batch of all slots, more, and far more; what fits is answered before and after."""
    assert len(embed(embedding, " 7" * 250)) == 1
    answer = embedding.client.post("/v1/embeddings", json={"input": ["short", " 7" * words]})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "exceed_context_size_error")
    assert len(embed(embedding, " 7" * 250)) == 1


def test_a_model_whose_file_names_no_pooling_makes_no_embeddings(token_file: Path) -> None:
    for served in serve(token_file, "--embedding"):
        answer = served.client.post("/v1/embeddings", json={"input": "one"})
        assert answer.status_code == 400
        assert "Pooling type 'none'" in answer.text


# --- how it ends ----------------------------------------------------------------------------------------


def test_sigterm_ends_an_idle_server_cleanly(served_alone: Served) -> None:
    served_alone.process.send_signal(signal.SIGTERM)
    output, errors = served_alone.process.communicate(timeout=10)
    assert served_alone.process.returncode == 0
    assert (output.strip(), errors) == ("help: ended by a signal", "")


def test_sigterm_cuts_an_open_stream_and_does_not_hang(served_alone: Served) -> None:
    body = {"prompt": "x", "max_tokens": 400, "ignore_eos": True, "stream": True}
    with served_alone.client.stream("POST", "/v1/completions", json=body) as answer:
        next(answer.iter_lines())
        served_alone.process.send_signal(signal.SIGTERM)
        assert served_alone.process.wait(timeout=10) == 0


# --- what it refuses ------------------------------------------------------------------------------------


def test_a_missing_model_is_one_sentence_and_code_2(token_file: Path, tmp_path: Path) -> None:
    code, errors = refusal(token_file, "--model", str(tmp_path / "model.gguf"))
    assert (code, errors.count("\n")) == (2, 1)
    assert f"the model file {tmp_path / 'model.gguf'} does not exist" in errors


def test_a_broken_model_is_code_1(token_file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model.gguf"
    broken.write_text("no model")
    code, errors = refusal(token_file, "--model", str(broken))
    assert code == 1
    assert f"cannot serve {broken}" in errors
    assert "Traceback" not in errors


def test_a_taken_port_is_code_1(token_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, errors = refusal(token_file, "--model", str(MODEL), "--port", port)
    assert code == 1
    assert f"on 127.0.0.1:{port}" in errors


def test_no_token_file_is_code_2() -> None:
    code, errors = refusal(None, "--model", str(MODEL))
    assert code == 2
    assert "STUDIO_INSTANCE_TOKEN_FILE must name" in errors


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [("", 0o600, "is empty"), (TOKEN, 0o644, "must be readable by its owner only")],
)
def test_a_useless_token_file_is_code_2(tmp_path: Path, content: str, mode: int, sentence: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    code, errors = refusal(path, "--model", str(MODEL))
    assert code == 2
    assert sentence in errors
