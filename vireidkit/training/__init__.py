"""Training: the loop, its schedule, checkpoints and guards, and the run folder. It knows a method only by its interface."""

from vireidkit.training.checkpoint import find_checkpoint, load_weights, save_checkpoint
from vireidkit.training.loop import Counters, Trainer, TrainingStopped, resumable
from vireidkit.training.run import Run, discard_run, open_run, run_record, start_run
from vireidkit.training.schedule import build_optimizer, learning_rate

__all__ = [
    "Counters",
    "Run",
    "Trainer",
    "TrainingStopped",
    "build_optimizer",
    "discard_run",
    "find_checkpoint",
    "learning_rate",
    "load_weights",
    "open_run",
    "resumable",
    "run_record",
    "save_checkpoint",
    "start_run",
]
