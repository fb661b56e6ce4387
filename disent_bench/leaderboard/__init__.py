"""From results to tables; knows no training."""
