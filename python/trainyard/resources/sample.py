"""What is known of the machine at one moment."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional, Sequence


@dataclass(frozen=True)
class GpuSample:
    index: int
    utilization_percent: Optional[float]
    memory_percent: Optional[float]
    memory_used_mb: Optional[float]
    temperature_celsius: Optional[float]
    power_watts: Optional[float]


@dataclass(frozen=True)
class Sample:
    """What cannot be read on this machine, or is not asked for, is None."""

    #: Epoch milliseconds.
    time_ms: int
    #: Of all processors, since the sample before.
    cpu_percent: Optional[float]
    memory_percent: Optional[float]
    memory_used_mb: Optional[float]
    #: Of the program and the processes that it has started.
    program_memory_mb: Optional[float]
    gpus: Sequence[GpuSample] = ()
    #: Since the sample before, of all disks and of all network interfaces but the loopback.
    disk_read_mb_per_second: Optional[float] = None
    disk_write_mb_per_second: Optional[float] = None
    network_in_mb_per_second: Optional[float] = None
    network_out_mb_per_second: Optional[float] = None
    processes: Optional[int] = None
    #: Processes that run or want to, as a mean of the last minute.
    load: Optional[float] = None

    def to_json(self) -> Dict[str, Any]:
        """Without what is None."""
        known: Dict[str, Any] = _known(asdict(self))
        return known

    def numbers(self) -> Dict[str, float]:
        """Each quantity by its name; of the GPU with the number 0 the names begin with `gpu/0/`."""
        flat: Dict[str, float] = {}
        for name, value in self.to_json().items():
            if name == "gpus":
                for gpu in value:
                    flat.update({f"gpu/{gpu['index']}/{inner}": gpu[inner] for inner in gpu if inner != "index"})
            elif name != "time_ms":
                flat[name] = value
        return flat


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items() if inner is not None}
    return [_known(each) for each in value] if isinstance(value, (list, tuple)) else value
