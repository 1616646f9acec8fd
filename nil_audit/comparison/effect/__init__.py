"""The effect of shape: what a study predicts for each model, held against its score with size held fixed."""
