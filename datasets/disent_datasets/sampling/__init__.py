"""Which images a training step sees."""
