"""Speed, side by side with the peers on the same work: `python -m research.benchmarks.NAME`."""
