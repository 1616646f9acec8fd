"""Train the demo model: a small Llama-type language model and its byte-level BPE tokenizer, from text files.

    python scripts/train_demo_model.py                                  # WikiText-2 raw, train split, from the Hub
    python scripts/train_demo_model.py "My corpus=corpus.txt" notes.txt --steps 1000 --out my_model

A text is a path, or NAME=PATH where the training record should say a data set's name. The last 5% of every text
is held out; the tokenizer, too, is fitted on the rest alone. On one machine the same texts, arguments and library
versions give the same weights. The folder loads with AutoModelForCausalLM and AutoTokenizer, offline.
"""

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import tokenizers
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from nil_audit.files import json_text, write_atomically

DEFAULT_OUT = Path(__file__).resolve().parent.parent / "nil_audit" / "data" / "demo_model"
END_OF_TEXT = "<|endoftext|>"
HELD_OUT = 0.05
WINDOW = 512
# Depth 6 over width 160 is R = 0.0375; in 16 bits the weights and the tokenizer stay below 4 MB together.
SHAPE = {
    "vocab_size": 2048,
    "num_hidden_layers": 6,
    "hidden_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 384,
}
# WikiText sets marks apart by spaces, and " @-@ " inside words tells such a text; these undo it.
WORD_LEVEL = " @-@ "
WORD_LEVEL_MARKS = (
    (r" @([-,.])@ ", r"\1"),
    (r" ([,.;:!?%)\]])", r"\1"),
    (r"([(\[$]) ", r"\1"),
    (r'"\s([^"\n]*?)\s"', r'"\1"'),
    (r" ('s|'t|'re|'ve|'ll|'d|'m|n't)\b", r"\1"),
)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One text, cut in two: ``train`` and the last 5%, ``held_out``; ``sha256`` is that of the text as read."""

    name: str
    sha256: str
    train: str
    held_out: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """AdamW with linear warm-up and cosine decay to zero: what goes into TRAINING.json."""

    steps: int
    seed: int
    threads: int
    windows_per_step: int = 4
    window: int = WINDOW
    learning_rate: float = 3e-3
    warm_up_steps: int = 100
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    gradient_clip: float = 1.0


def corpus_of(name: str, text: str) -> Corpus:
    """Undo word-level spacing where the text has it, and split at a line's end."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    for pattern, plain in WORD_LEVEL_MARKS if WORD_LEVEL in text else ():
        text = re.sub(pattern, plain, text)
    cut = text.find("\n", int(len(text) * (1 - HELD_OUT))) + 1
    if not 0 < cut < len(text):
        raise SystemExit(f"{name} is too short to hold out its last {HELD_OUT:.0%}; give a longer text.")
    return Corpus(name=name, sha256=digest, train=text[:cut], held_out=text[cut:])


def read_corpora(arguments: list[str]) -> list[Corpus]:
    """The texts named on the command line (``[NAME=]PATH``), or WikiText-2 raw where none is named."""
    if not arguments:
        from datasets import load_dataset

        rows = load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="train")
        return [corpus_of("WikiText-2 raw, train split (CC BY-SA)", "".join(rows["text"]))]
    corpora = []
    for argument in arguments:
        name, _, path = argument.rpartition("=")
        try:
            text = Path(path).read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SystemExit(f"Cannot read {path} ({error}); give UTF-8 text files.") from error
        corpora.append(corpus_of(name or Path(path).name, text))
    return corpora


def fit_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most ``vocab_size`` entries, fitted line by line."""
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=SHAPE["vocab_size"],
        special_tokens=[END_OF_TEXT],
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((line for text in texts for line in text.splitlines(keepends=True)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, model_max_length=WINDOW
    )


def encode(tokenizer: PreTrainedTokenizerFast, text: str) -> torch.Tensor:
    """Token ids of a whole text, (tokens,), without special tokens."""
    return torch.tensor(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)


def batches(tokens: torch.Tensor, recipe: Recipe) -> Iterator[torch.Tensor]:
    """Endless batches (windows_per_step, window + 1): every epoch shifts the windows and shuffles them."""
    if len(tokens) < 2 * recipe.window + 2:
        raise SystemExit(f"{len(tokens)} training tokens do not fill two windows of {recipe.window}; give more text.")
    generator = torch.Generator().manual_seed(recipe.seed)
    queue: list[int] = []
    while True:
        while len(queue) < recipe.windows_per_step:
            offset = int(torch.randint(recipe.window, (1,), generator=generator))
            starts = torch.arange(offset, len(tokens) - recipe.window, recipe.window)
            queue += starts[torch.randperm(len(starts), generator=generator)].tolist()
        chosen, queue = queue[: recipe.windows_per_step], queue[recipe.windows_per_step :]
        yield torch.stack([tokens[start : start + recipe.window + 1] for start in chosen])


@torch.no_grad()
def mean_loss(model: LlamaForCausalLM, tokens: torch.Tensor, every: int = 1) -> float:
    """Mean next-token cross-entropy in nats over consecutive windows, or over every n-th of them."""
    total, count = 0.0, 0
    for start in range(0, len(tokens) - 1, WINDOW * every):
        window = tokens[start : start + WINDOW + 1]
        total += cross_entropy(model(window[None, :-1]).logits[0], window[1:], reduction="sum").item()
        count += len(window) - 1
    return total / count


def train(model: LlamaForCausalLM, tokens: torch.Tensor, held_out: torch.Tensor, recipe: Recipe) -> None:
    """Run the recipe in float32, in place; progress goes to stderr."""
    gains = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": gains, "weight_decay": 0.0}, {"params": [p for p in model.parameters() if p.ndim > 1]}]
    optimizer = torch.optim.AdamW(groups, recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, recipe.warm_up_steps, recipe.steps)
    # Progress needs no more than about 32 held-out windows.
    every = max(1, len(held_out) // WINDOW // 32)
    began = time.monotonic()
    for step, batch in zip(range(recipe.steps), batches(tokens, recipe), strict=False):
        loss = cross_entropy(model(batch[:, :-1]).logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == recipe.steps:
            left = (time.monotonic() - began) / (step + 1) * (recipe.steps - step - 1)
            losses = f"batch {loss.item():.3f}  held out {mean_loss(model, held_out, every):.3f} nats/token"
            print(f"step {step + 1}/{recipe.steps}  {losses}  {left:.0f} s left", file=sys.stderr)


CARD = """# Demo model

A Llama-type language model of {num_hidden_layers} blocks and width {hidden_size}: {parameters:,} parameters with tied
embeddings, context 512, a byte-level BPE tokenizer of {vocab_size:,} entries. It is there so that `nil-audit demo`
runs on real trained weights with no network; it is too small to be of use as a language model.

`scripts/train_demo_model.py` made it, with seed {seed}, from the first 95% of:

{texts}

{tokens_seen:,} tokens in {steps:,} steps ({epochs} epochs) of AdamW in float32 on a CPU; the weights were then rounded
to float16. On the last 5% of each text, which neither weights nor tokenizer saw, the rounded weights have a mean loss
of {held_out_loss_nats_per_token} nats per token ({held_out_loss_nats_per_byte} per byte), evaluated in float32.
`TRAINING.json` holds all settings, versions and the losses by text.
"""


def main() -> None:
    """Read the texts, fit the tokenizer, train, save, and record how it was done and how good it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", metavar="[NAME=]PATH", help="UTF-8 text (default: WikiText-2 raw)")
    parser.add_argument("--steps", type=int, default=2000, help="optimizer steps of 2,048 tokens (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order of windows (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; changes rounding (%(default)s)")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write (default: the package's)")
    arguments = parser.parse_args()
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot write to {arguments.out} ({error.strerror}); name another folder with --out")
    recipe = Recipe(steps=arguments.steps, seed=arguments.seed, threads=arguments.threads)
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)

    corpora = read_corpora(arguments.texts)
    tokenizer = fit_tokenizer([corpus.train for corpus in corpora])
    tokens = torch.cat([encode(tokenizer, corpus.train) for corpus in corpora])
    held_out = {corpus.name: encode(tokenizer, corpus.held_out) for corpus in corpora}
    everything = torch.cat(list(held_out.values()))
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = LlamaForCausalLM(LlamaConfig(max_position_embeddings=WINDOW, tie_word_embeddings=True, **special, **SHAPE))
    began = time.monotonic()
    train(model, tokens, everything, recipe)
    seconds = round(time.monotonic() - began)
    unrounded = mean_loss(model, everything)
    model.half().save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    (arguments.out / "model.safetensors").chmod(0o644)
    # The losses on record are those of what was written.
    model = AutoModelForCausalLM.from_pretrained(arguments.out, dtype=torch.float32, local_files_only=True)
    losses = {name: round(mean_loss(model, ids), 4) for name, ids in held_out.items()}
    loss = mean_loss(model, everything)
    loss_per_byte = loss * len(everything) / sum(len(corpus.held_out.encode()) for corpus in corpora)
    seen = recipe.steps * recipe.windows_per_step * recipe.window
    record = {
        "texts": [{"name": c.name, "sha256": c.sha256, "held_out_loss": losses[c.name]} for c in corpora],
        "held_out_fraction": HELD_OUT,
        "held_out_tokens": len(everything),
        "held_out_loss_nats_per_token": round(loss, 4),
        "held_out_loss_nats_per_byte": round(loss_per_byte, 4),
        "held_out_loss_before_rounding": round(unrounded, 4),
        "parameters": model.num_parameters(),
        "shape": SHAPE,
        "recipe": asdict(recipe),
        "training_tokens": len(tokens),
        "tokens_seen": seen,
        "epochs": round(seen / len(tokens), 1),
        "seconds": seconds,
        "versions": {library.__name__: library.__version__ for library in (torch, transformers, tokenizers)},
    }
    card = CARD.format(**SHAPE | asdict(recipe) | record | {"texts": "\n".join(f"- {c.name}" for c in corpora)})
    write_atomically(arguments.out / "TRAINING.json", json_text(record))
    write_atomically(arguments.out / "README.md", card)
    print(f"{arguments.out}: held-out loss {loss:.3f} nats per token, {seconds} s", file=sys.stderr)


if __name__ == "__main__":
    main()
