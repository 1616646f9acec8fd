"""Ways to run MMLU-Pro on a model, one file each."""
