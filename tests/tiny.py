"""Tiny, randomly initialised models of many architectures, and checkpoint folders as the Hub lays them out."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 256
NUL, SOH = "Ā", "ā"
"""The letters that stand for the bytes 0 and 1 in a byte-level vocabulary."""

_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
_GATED = {**_COMMON, "num_key_value_heads": 2, "intermediate_size": 40}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _GATED),
    "gpt2": ("GPT2Config", {**_COMMON, "activation_function": "gelu_new"}),
    "qwen3": ("Qwen3Config", {**_GATED, "head_dim": 8}),
    "gpt_neox": ("GPTNeoXConfig", {**_COMMON, "intermediate_size": 96}),
    "gemma2": (
        "Gemma2Config",
        {**_GATED, "head_dim": 8, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0, "sliding_window": 16},
    ),
    "opt_projected": (
        "OPTConfig",
        {**_COMMON, "ffn_dim": 48, "word_embed_proj_dim": 16, "do_layer_norm_before": False, "pad_token_id": 1},
    ),
    "granite": (
        "GraniteConfig",
        {**_GATED, "logits_scaling": 4.0, "embedding_multiplier": 6.0, "residual_multiplier": 0.5},
    ),
    "olmo2": ("Olmo2Config", _GATED),
    "falcon": ("FalconConfig", {**_COMMON, "new_decoder_architecture": True, "num_kv_heads": 2, "alibi": False}),
    "bloom": ("BloomConfig", {**_COMMON}),
    "mpt": ("MptConfig", {"vocab_size": VOCABULARY, "d_model": 24, "n_layers": 2, "n_heads": 4, "max_seq_len": 64}),
}


def tiny_model(name: str, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """A frozen model of one of ``ARCHITECTURES``, its weights large enough that gradients are not all alike."""
    kind, values = ARCHITECTURES[name]
    torch.manual_seed(seed)
    config = getattr(transformers, kind)(**values)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) * 0.25)
    return model.eval().requires_grad_(False)


def byte_tokenizer(vocabulary: int = VOCABULARY, **special: str) -> PreTrainedTokenizerFast:
    """One token a byte, numbered from 0; where ``vocabulary`` is smaller the rest is unknown (0).

    Special tokens are bytes too: `NUL` stands for the byte 0, which no text of a test holds.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())[:vocabulary]
    inner = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)


def checkpoint_folder(folder: Path, architecture: str = "llama", *, seed: int = 0) -> Path:
    """A checkpoint with a byte tokenizer: config.json, model.safetensors, tokenizer.json."""
    model = tiny_model(architecture, seed=seed)
    model.save_pretrained(folder)
    byte_tokenizer(eos_token=NUL).save_pretrained(folder)
    return folder


_WORDS = """the of and a to in is it that was for on are with as his they at be this from have or by one had depth
width ratio model gradient token layer residual stream score probe language measure"""


def english(characters: int = 6000, seed: int = 0) -> str:
    """Text with the letters of English in its proportions; every call with one seed gives the same."""
    import random

    source = random.Random(seed)
    words = _WORDS.split()
    text = ""
    while len(text) < characters:
        text += " ".join(source.choices(words, k=source.randint(5, 14))).capitalize() + ".\n"
    return text[:characters]
