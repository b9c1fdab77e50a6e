"""One run for every method: recipes, the loop, checkpoints, teachers, logs."""
