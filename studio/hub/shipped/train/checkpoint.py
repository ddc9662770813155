"""Writes a trained model as the folder that Studio ships, with the manifest that proves it unchanged."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from bpe import CHAT_TEMPLATE, END, PAD
from convert import POOLING, convert
from learn import CONTEXT

MANIFEST = "manifest.json"
PARTS = ("Transformer", ""), ("Pooling", POOLING.parent.name), ("Normalize", "2_Normalize")


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


def write_embedder(folder: Path, name: str, model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    """The model without its head, as the library sentence-transformers lays an embedding model out."""
    (folder / POOLING).parent.mkdir(parents=True, exist_ok=True)
    model.model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    write_json(folder / "modules.json", modules())
    write_json(folder / POOLING, pooling(model.config.hidden_size))
    convert(folder, name)
    write_json(folder / MANIFEST, manifest(folder))


def modules() -> list[dict[str, str | int]]:
    return [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{part}"}
        for place, (part, path) in enumerate(PARTS)
    ]


def pooling(size: int) -> dict[str, Any]:
    modes = {f"pooling_mode_{mode}": False for mode in ("cls_token", "mean_tokens", "max_tokens")}
    return {"word_embedding_dimension": size, **modes, "pooling_mode_lasttoken": True}


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
