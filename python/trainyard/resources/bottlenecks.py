"""What holds a training up, by how busy the parts of the machine were."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Literal, Optional, Sequence

from .sample import Sample

#: Fewer say nothing.
MIN_SAMPLES = 10
#: A part that is busy for this share of the time is a bottleneck.
_MIN_SCORE = 0.5
#: A GPU that waits while the processors are busy waits for data.
_IDLE_GPU_PERCENT = 10

_ADVICE: Dict[str, str] = {
    "cpu": "Give the program more processors, or do less on them: smaller pictures, cached preprocessing, fewer workers.",
    "memory": "Use smaller batches or stream the data; what does not fit is swapped out or killed.",
    "gpu": "The GPU is well used. To be faster, use lower precision, a smaller model, or more GPUs.",
    "gpu_memory": "Use smaller batches, accumulated gradients, lower precision or checkpointed activations.",
    "data": "The GPU waits for data: more workers of the loader, prefetching, or preprocessing before the training.",
}


@dataclass(frozen=True)
class Thresholds:
    """Percent above which a part is busy. Above `critical` it is full."""

    cpu: float = 90
    memory: float = 90
    gpu: float = 95
    critical: float = 95


@dataclass(frozen=True)
class Bottleneck:
    resource: str
    #: Share of the samples in which it was busy.
    score: float
    severity: Literal["busy", "critical"]
    advice: str


def find_bottlenecks(samples: Sequence[Sample], thresholds: Thresholds = Thresholds()) -> List[Bottleneck]:
    """The worst first; nothing before there are ten samples."""
    if len(samples) < MIN_SAMPLES:
        return []
    found = [
        each
        for each in (
            _judge("data", [_waits_for_data(sample, thresholds) for sample in samples], 0.5),
            _judge("cpu", [sample.cpu_percent for sample in samples], thresholds.cpu, thresholds.critical),
            _judge("memory", [sample.memory_percent for sample in samples], thresholds.memory, thresholds.critical),
            _judge("gpu", [_busiest_gpu(sample) for sample in samples], thresholds.gpu),
            _judge("gpu_memory", [_fullest_gpu(sample) for sample in samples], thresholds.memory, thresholds.critical),
        )
        if each is not None
    ]
    return sorted(found, key=lambda each: -each.score)


def alerts_of(sample: Sample, thresholds: Thresholds) -> Dict[str, Literal["busy", "critical"]]:
    """Which parts are above their thresholds in this sample."""
    values = {
        "cpu": (sample.cpu_percent, thresholds.cpu),
        "memory": (sample.memory_percent, thresholds.memory),
        "gpu": (_busiest_gpu(sample), thresholds.gpu),
        "gpu_memory": (_fullest_gpu(sample), thresholds.memory),
    }
    return {
        name: "critical" if value > thresholds.critical else "busy"
        for name, (value, threshold) in values.items()
        if value is not None and value >= threshold
    }


def _judge(
    resource: str, values: Sequence[Optional[float]], threshold: float, critical: Optional[float] = None
) -> Optional[Bottleneck]:
    known = [value for value in values if value is not None]
    if len(known) < MIN_SAMPLES:
        return None
    score = sum(value >= threshold for value in known) / len(known)
    if score < _MIN_SCORE:
        return None
    is_critical = critical is not None and sum(value > critical for value in known) / len(known) >= _MIN_SCORE
    return Bottleneck(resource, round(score, 3), "critical" if is_critical else "busy", _ADVICE[resource])


def _waits_for_data(sample: Sample, thresholds: Thresholds) -> Optional[float]:
    gpu = _busiest_gpu(sample)
    if gpu is None or sample.cpu_percent is None:
        return None
    return float(gpu < _IDLE_GPU_PERCENT and sample.cpu_percent >= thresholds.cpu)


def _busiest_gpu(sample: Sample) -> Optional[float]:
    return max((gpu.utilization_percent for gpu in sample.gpus if gpu.utilization_percent is not None), default=None)


def _fullest_gpu(sample: Sample) -> Optional[float]:
    return max((gpu.memory_percent for gpu in sample.gpus if gpu.memory_percent is not None), default=None)
