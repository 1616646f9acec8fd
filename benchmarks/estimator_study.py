"""The long form of the estimator study: bias and coverage on synthetic gradients as many as an audit has.

Samples of 16 windows of 31 tokens, and of 256 windows of 496 (the default: 131,072 input tokens, 126,976 of them
counted), the latter also in the doubling rounds of an audit, with the rule that stops it. Prints tables in Markdown.

    python -m benchmarks.estimator_study                    # 300 samples of seven laws: an hour on one idle core
    python -m benchmarks.estimator_study --laws 3 --samples 1000
"""

import argparse

from nil_audit.interaction.totals import doubling
from tests.interaction.synthetic import METRICS, Law, Trial, stopped, summary, trials

LAWS = {
    "Gaussian": Law(kind="gaussian"),
    "gamma sizes, by eights": Law(kind="gamma"),
    "lognormal, 1.8 nats": Law(kind="lognormal", tail=1.8),
    "the same, windows alike by 0.02": Law(kind="lognormal", tail=1.8, alike=0.02),
    "the same, windows alike by 0.1": Law(kind="lognormal", tail=1.8, alike=0.1),
    "lognormal, 2.5 nats, alike by 0.02": Law(kind="lognormal", tail=2.5, alike=0.02),
    "lognormal, 1.8 nats, and a rare token": Law(kind="rare", tail=1.8, alike=0.02),
}
SHOWN = (16, 64, 256)
PRECISION = 0.05


def parse() -> argparse.Namespace:
    """The options; the defaults are those of the committed numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--laws", type=int, nargs="*", default=range(len(LAWS)), help="by number, from 0")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def rows(name: str, found: list[Trial], truth: dict[str, float]) -> tuple[str, str]:
    """A line of the table of coverage, and one of the table of bias."""
    each = {metric: summary(found, metric, truth[metric]) for metric in METRICS}
    told = sum(one.told for one in found) / len(found)
    coverage = " | ".join(f"{one.coverage:.3f}" for one in each.values())
    biases = " | ".join(f"{one.plugin_bias:+.3f}, {one.bias:+.3f}, {one.se:.3f}" for one in each.values())
    start = f"| {name} | {found[0].tokens:,} |"
    return f"{start} {coverage} | {told:.2f} |", f"{start} {biases} |"


def main() -> None:
    """Print the tables."""
    options = parse()
    rounds = doubling(SHOWN[-1])
    coverage, bias, stops = [], [], []
    for name, law in [list(LAWS.items())[number] for number in options.laws]:
        truth = law.truth()
        few = list(trials(law, options.samples, windows=16, tokens=31, seed=options.seed))
        found = list(trials(law, options.samples, windows=256, tokens=496, rounds=rounds, seed=options.seed))
        for cell in (few, *([one for one in found if one.windows == count] for count in SHOWN)):
            covered, biased = rows(name, cell, truth)
            coverage.append(covered)
            bias.append(biased)
        ended = stopped(found, rounds, PRECISION)
        one = summary(ended, "typical_efficiency", truth["typical_efficiency"])
        counts = ", ".join(f"{sum(each.windows == count for each in ended)}" for count in rounds)
        stops.append(f"| {name} | {counts} | {one.se:.4f} | {one.sd:.4f} | {one.coverage:.3f} |")
        print(f"{name}: done", flush=True)
    titles = " | ".join(name.replace("_", " ") for name in METRICS)
    rule = "| --- " * (len(METRICS) + 2)
    print("\nCoverage of 95% intervals of the unbiased estimate\n")
    print(f"| gradients | tokens | {titles} | told |\n{rule}| --- |")
    print(*coverage, sep="\n")
    print("\nBias of the plug-in and of the unbiased estimate, and the mean standard error\n")
    print(f"| gradients | tokens | {titles} |\n{rule}|")
    print(*bias, sep="\n")
    print(f"\nTypical efficiency of runs that stop at a standard error of {PRECISION}\n")
    print(f"| gradients | stopped at {', '.join(map(str, rounds))} windows | error told | actual | coverage |")
    print("| --- | --- | --- | --- | --- |")
    print(*stops, sep="\n")


if __name__ == "__main__":
    main()
