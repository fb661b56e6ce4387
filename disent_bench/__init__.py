"""Benchmark suite for disentangled representation learning: methods are sums of terms, runs are folders."""

from importlib.metadata import version

__version__ = version("disent-bench")
