"""The golden executor: what an integer network computes, bit for bit."""

from htaflow.model.integer.golden.executor import check_frames, run, trace

__all__ = ["check_frames", "run", "trace"]
