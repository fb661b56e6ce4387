"""Benchmark suite for disentangled representation learning."""
