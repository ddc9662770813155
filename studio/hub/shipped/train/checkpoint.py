"""Writes a trained model as the folder that Studio ships, with the manifest that proves it unchanged."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from bpe import CHAT_TEMPLATE, END, PAD
from convert import convert
from learn import CONTEXT

MANIFEST = "manifest.json"


def write_checkpoint(folder: Path, name: str, model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "generation_config.json", generation_config(tokenizer))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    convert(folder, name)
    write_json(folder / MANIFEST, manifest(folder))


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "do_sample": False,
        "eos_token_id": tokenizer.token_to_id(END),
        "pad_token_id": tokenizer.token_to_id(PAD),
    }


def tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "pad_token": PAD,
    }


def manifest(folder: Path) -> dict[str, list[dict[str, str | int]]]:
    """Every file but the manifest, by path; sizes in bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {"files": [described(path, folder) for path in files]}


def described(path: Path, folder: Path) -> dict[str, str | int]:
    content = path.read_bytes()
    return {
        "path": path.relative_to(folder).as_posix(),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
