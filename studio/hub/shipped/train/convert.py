"""A Hugging Face checkpoint of a Llama becomes one GGUF file with eight-bit weights, tokenizer, and chat template or pooling."""

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
POOLING = Path("1_Pooling", "config.json")  # an embedding model has this instead of a chat template
EIGHT_BIT = gguf.GGMLQuantizationType.Q8_0

Weights = NDArray[np.float32]


def convert(folder: Path, name: str) -> Path:
    """Writes `model.gguf` beside the safetensors file it is made from."""
    config = json.loads((folder / "config.json").read_text())
    target = folder / "model.gguf"
    writer = gguf.GGUFWriter(target, "llama")
    add_shape(writer, config, name)
    add_tokenizer(writer, folder, config)
    if (folder / POOLING).exists():
        add_pooling(writer)
    else:
        writer.add_chat_template((folder / "chat_template.jinja").read_text())
    for key, weights in sorted(load_file(folder / "model.safetensors").items()):
        add_weights(writer, key, weights.astype(np.float32), config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def add_shape(writer: gguf.GGUFWriter, config: dict[str, Any], name: str) -> None:
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    # A request that says nothing about sampling gets the most likely answer.
    writer.add_sampling_temp(0.0)


def add_tokenizer(writer: gguf.GGUFWriter, folder: Path, config: dict[str, Any]) -> None:
    written = json.loads((folder / "tokenizer.json").read_text())
    vocabulary: dict[str, int] = written["model"]["vocab"]
    marks = {token["id"] for token in written["added_tokens"] if token["special"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = [
        gguf.TokenType.CONTROL if place in marks else gguf.TokenType.NORMAL for place in range(len(tokens))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in written["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)


def add_pooling(writer: gguf.GGUFWriter) -> None:
    """The last token's state is the text's; the tokenizer puts the end mark there."""
    writer.add_pooling_type(gguf.PoolingType.LAST)
    writer.add_add_eos_token(True)


def add_weights(writer: gguf.GGUFWriter, key: str, weights: Weights, config: dict[str, Any]) -> None:
    """Matrices in eight bits, vectors as they are."""
    if key.endswith(("q_proj.weight", "k_proj.weight")):
        weights = interleaved(
            weights, config["num_attention_heads" if "q_proj" in key else "num_key_value_heads"]
        )
    if weights.ndim == 1:
        writer.add_tensor(gguf_name(key), weights)
    else:
        writer.add_tensor(gguf_name(key), gguf.quants.quantize(weights, EIGHT_BIT), raw_dtype=EIGHT_BIT)


def gguf_name(key: str) -> str:
    """`model.layers.2.mlp.up_proj.weight` is `blk.2.ffn_up.weight`; a model without a head leaves `model.` out."""
    stem = f"model.{key.removeprefix('model.').removesuffix('.weight')}"
    if stem in NAMES:
        return f"{NAMES[stem]}.weight"
    layer, part = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{NAMES[part]}.weight"


def interleaved(weights: Weights, heads: int) -> Weights:
    """Llama in GGUF turns neighbouring pairs of a head; Hugging Face turns its first half against its second."""
    rows, columns = weights.shape
    halves = weights.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))


if __name__ == "__main__":
    print(convert(Path(sys.argv[1]), sys.argv[2]))
