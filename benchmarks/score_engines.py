"""Ways of asking MMLU-Pro side by side: worked examples read once, read anew for every question, and lm-eval itself.

All ask the same stratified questions of the same weights, each in a process of its own that does nothing else, one
after the other. Seconds are those of asking, from the first prompt's encoding to the last answer; tokens are those that
went through the model, padding included; memory is the peak beyond the loaded model (on CUDA the allocator's own,
elsewhere the resident memory of the process, sampled every 20 ms). Letters and log-probabilities are held against those
of the first way and batch size.

    python -m benchmarks.score_engines MODEL DATA                               # shared and plain, 56 questions
    python -m benchmarks.score_engines MODEL DATA --questions 280 --batch-size 8 1 --protocol mc
    python -m benchmarks.score_engines MODEL DATA --shape 12x768                # random weights, MODEL's tokenizer
    python -m benchmarks.score_engines MODEL DATA --device cuda --dtype bfloat16 --ways shared plain lm-eval
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

WAYS = ("shared", "plain", "lm-eval")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a checkpoint")
    parser.add_argument("data", type=Path, help="folder of MMLU-Pro")
    parser.add_argument("--shape", help="depth x width, such as 12x768: random weights of a Llama of this shape")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["plain", "shared"])
    parser.add_argument("--batch-size", nargs="+", type=int, default=[8])
    parser.add_argument("--protocol", choices=("leaderboard", "mc", "cot"), default="leaderboard")
    parser.add_argument("--questions", type=int, default=56)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def load(options: argparse.Namespace) -> tuple[Any, Any]:
    """The model and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    tokenizer, dtype = AutoTokenizer.from_pretrained(options.model), getattr(torch, options.dtype)
    if options.shape is None:
        model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
    else:
        depth, width = map(int, options.shape.split("x"))
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=depth,
            num_attention_heads=width // 64,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
        )
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model.to(options.device).eval(), tokenizer


def ask(options: argparse.Namespace) -> dict[str, Any]:
    """Ask in one way: its costs, and of each question the letter or text and the log-probabilities."""
    from nil_audit.progress import quiet_libraries
    from nil_audit.score.plan import plan_score
    from nil_audit.weights.memory import peak_memory

    (way,), (batch_size,) = options.ways, options.batch_size
    plan = plan_score(
        options.protocol,
        data=options.data,
        questions=options.questions,
        batch_size=batch_size,
        engine="shared" if way == "shared" else "plain",
    )
    with quiet_libraries():
        import_module("nil_audit.score.engines.shared")  # and lm-eval with it, before the clock starts
        model, tokenizer = load(options)
    tokens = 0

    def count(_module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        nonlocal tokens
        tokens += (inputs[0] if inputs else named["input_ids"]).numel()

    model.register_forward_pre_hook(count, with_kwargs=True)
    with peak_memory(options.device) as peak:
        before, start = peak(), time.perf_counter()
        answers, notes = (by_lm_eval if way == "lm-eval" else by_nil_audit)(plan, model, tokenizer)
        seconds = time.perf_counter() - start
        memory = peak() - before
    return {"seconds": seconds, "tokens": tokens, "memory": memory, "answers": answers, "notes": notes}


def by_nil_audit(plan: Any, model: Any, tokenizer: Any) -> tuple[dict[int, Any], Sequence[str]]:
    """Answers by question id, and what was given up."""
    from nil_audit.score.engines import wrapped
    from nil_audit.score.run import run_plan

    result = run_plan(plan, lambda: wrapped(plan, model, tokenizer), identity="benchmark", name="model", dtype="any")
    return {one.question_id: (one.chosen, one.text, one.likelihoods) for one in result.answers}, result.said


def by_lm_eval(plan: Any, model: Any, tokenizer: Any) -> tuple[dict[int, Any], Sequence[str]]:
    """The same by lm-eval's own wrapper, handed every question at once."""
    from lm_eval.models.huggingface import HFLM

    from nil_audit.progress import quiet_libraries
    from nil_audit.score.engines.engine import by_question, requests_of
    from nil_audit.score.engines.plain import wrapping
    from nil_audit.score.questions import as_asked, judged

    questions = as_asked(plan.protocol, plan.questions, plan.examples())
    with quiet_libraries():
        lm = HFLM(**wrapping(model, tokenizer, batch_size=plan.batch_size))
        requests = requests_of(questions, lm.max_length)
        found = (lm.generate_until if plan.protocol.generates else lm.loglikelihood)(requests, disable_tqdm=True)
    answers = {}
    for question, responses in zip(questions, by_question(questions, found), strict=True):
        letter, _ = judged(plan.protocol, question, responses)
        said = responses[0] if plan.protocol.generates else None
        scores = [] if plan.protocol.generates else [response[0] for response in responses]
        answers[question.row["question_id"]] = (letter, said, scores)
    return answers, ()


def in_its_own_process(way: str, batch_size: int) -> dict[str, Any]:
    """``ask``, by this command once more."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.score_engines", *sys.argv[1:], "--only", str(file)]
        command += ["--ways", way, "--batch-size", str(batch_size)]  # of an option given twice the last counts
        environment = os.environ | {"NIL_AUDIT_CACHE": folder}
        subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parents[1])
        found = json.loads(file.read_text())
    found["answers"] = {int(number): answer for number, answer in found["answers"].items()}
    return dict(found)


def compared(one: dict[int, Any], other: dict[int, Any]) -> str:
    """Cells of a row: answers alike, and the largest difference of a log-probability."""
    assert one.keys() == other.keys()
    letters = sum(one[number][0] == other[number][0] for number in one)
    texts = sum(one[number][1] == other[number][1] for number in one)
    moved = max((abs(a - b) for n in one for a, b in zip(one[n][2], other[n][2], strict=True)), default=None)
    said = f"{texts} of {len(one)} texts" if moved is None else f"{moved:.2g}"
    return f"{letters} of {len(one)} | {said}"


def main() -> None:
    """Print the table as its rows come, and the ratios of each batch size."""
    options = parse()
    if options.only is not None:
        options.only.write_text(json.dumps(ask(options)))
        return
    print(f"{options.model.name if options.shape is None else options.shape}, {options.protocol}, ", end="")
    print(f"{options.questions} questions, {options.dtype}, {options.device}\n")
    print("| way | batch | seconds | a question | tokens | memory, MB | letters alike | largest difference |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    first: dict[int, Any] | None = None
    ratios = []
    for batch_size in options.batch_size:
        costs = {}
        for way in options.ways:
            found = costs[way] = in_its_own_process(way, batch_size)
            first = found["answers"] if first is None else first
            each = found["seconds"] / len(found["answers"])
            print(f"| {way} | {batch_size} | {found['seconds']:.1f} | {each:.4f} | {found['tokens']:,}", end=" | ")
            print(f"{found['memory'] / 1e6:,.0f} | {compared(first, found['answers'])} |", flush=True)
            for note in found["notes"]:
                print(note, file=sys.stderr)
        for way in options.ways[1:]:
            base, this = costs[options.ways[0]], costs[way]
            ratios.append(
                f"Batch {batch_size}, {options.ways[0]} over {way}: {base['seconds'] / this['seconds']:.2f} in time, "
                f"{base['tokens'] / this['tokens']:.2f} in tokens."
            )
    print("", *ratios, sep="\n")


if __name__ == "__main__":
    main()
