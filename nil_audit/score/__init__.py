"""MMLU-Pro: published scores, and running lm-eval."""
