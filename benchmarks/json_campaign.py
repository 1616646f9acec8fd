"""Any JSON as config, index, generation, tokenizer or adapter config beside good weights: a result or one sentence.

Every input is one file of a tiny checkpoint replaced by arbitrary JSON, or by itself with something dropped, added,
retyped or wild in it (NaN, 5,000 digits, 20,000 levels), and then audited or checked as a candidate. Counted is what
came of it by file; whatever is neither a result nor one sentence that names the model is a defect, listed with the
number that makes it again.

    python benchmarks/json_campaign.py                           # 10,000 inputs: a quarter of an hour on an idle core
    python benchmarks/json_campaign.py --inputs 1 --first 4711   # one of them again
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def parse() -> argparse.Namespace:
    """The options: which inputs, by number."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input, which is its seed")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    return parser.parse_args()


def main() -> int:
    """Run the campaign and print its counts; 1 where there was a defect."""
    options = parse()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="nil-audit-campaign-") as place:
        work = Path(place)
        os.environ["NIL_AUDIT_CACHE"] = str(work / "cache")
        import torch

        from tests.weights.mutations import base, change_one, outcome, probe

        torch.set_num_threads(1)
        fresh, folder, text = base(work / "fresh"), work / "model", probe(work)
        folder.mkdir()
        counts: Counter[tuple[str, str]] = Counter()
        slowest, began = (0.0, 0), time.perf_counter()
        for number in range(options.first, options.first + options.inputs):
            start = time.perf_counter()
            try:
                random = Random(number)
                name = change_one(random, folder, fresh)
                command = "candidate" if name == "config.json" and random.random() < 0.3 else "audit"
                counts[name, outcome(folder, text, command=command)] += 1
            except Exception as error:  # a defect, which is what is looked for
                counts["defects", type(error).__name__] += 1
                print(f"input {number}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            slowest = max(slowest, (time.perf_counter() - start, number))
            if time.perf_counter() - began > 60 * options.minutes:
                break
        print(f"inputs {options.first} to {number}: ", end="")
        print(f"{time.perf_counter() - began:.0f} s, the slowest {slowest[0]:.1f} s (input {slowest[1]})")
    for (name, kind), count in sorted(counts.items()):
        print(f"{name:<30} {kind:<30} {count:>6}")
    return 1 if any(name == "defects" for name, _ in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
