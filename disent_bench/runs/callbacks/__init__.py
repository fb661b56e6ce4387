"""What happens beside the training steps: scores, pictures, checkpoints, progress."""

from disent_bench.runs.callbacks.checkpoint import AtomicCheckpoint, Checkpoint
from disent_bench.runs.callbacks.evaluate import Evaluate
from disent_bench.runs.callbacks.finite import FiniteLoss
from disent_bench.runs.callbacks.pictures import Pictures
from disent_bench.runs.callbacks.throughput import Throughput

__all__ = ["AtomicCheckpoint", "Checkpoint", "Evaluate", "FiniteLoss", "Pictures", "Throughput"]
