"""Event files of TensorBoard, written with the standard library only."""
from .tensorboard_tracker import TensorboardTracker

__all__ = ["TensorboardTracker"]
