"""How busy the machine is while a program trains, measured with the standard library only."""
from .bottlenecks import Bottleneck, Thresholds, find_bottlenecks
from .resources_tracker import ResourcesTracker
from .sample import GpuSample, Sample

__all__ = ["Bottleneck", "GpuSample", "ResourcesTracker", "Sample", "Thresholds", "find_bottlenecks"]
