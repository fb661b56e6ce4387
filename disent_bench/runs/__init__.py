"""One run: train it, score it, write and read its folder."""
