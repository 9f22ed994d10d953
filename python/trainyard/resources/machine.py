"""Reads how busy this machine is."""
from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from .sample import GpuSample, Sample

_MB = 1 << 20
_SECTOR_BYTES = 512
_GPU_SECONDS = 5
_GPU_FIELDS = "index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw"
#: Partitions, and what is made of other disks, would count twice.
_DISK = re.compile(r"^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+n\d+|mmcblk\d+)$")


@dataclass(frozen=True)
class _Counters:
    """What only grows; the difference of two of them is a rate."""

    at: float
    busy: float
    ticks: float
    disk: Tuple[int, int]
    network: Tuple[int, int]


class Machine:
    """Takes samples. A lightweight one is of processors, memory and GPUs only.

    proc        where Linux tells of itself; on other systems only what Python knows is told
    nvidia_smi  program that tells of GPUs of NVIDIA; it is not asked again where it is not there
    """

    def __init__(self, is_lightweight: bool = True, proc: str = "/proc", nvidia_smi: str = "nvidia-smi") -> None:
        self._is_lightweight = is_lightweight
        self._proc = proc
        self._nvidia_smi: Optional[str] = nvidia_smi
        self._before = self._counters()

    def sample(self) -> Sample:
        before, now = self._before, self._counters()
        self._before = now
        total, available = self._memory()
        used = None if total is None or available is None else total - available
        told = Sample(
            time_ms=time.time_ns() // 1_000_000,
            cpu_percent=_percent(now.busy - before.busy, now.ticks - before.ticks),
            memory_percent=None if used is None or total is None else _percent(used, total),
            memory_used_mb=None if used is None else _round(used / _MB),
            program_memory_mb=self._program_memory(),
            gpus=self._gpus(),
        )
        return told if self._is_lightweight else self._with_rates(told, before, now)

    def _with_rates(self, sample: Sample, before: _Counters, now: _Counters) -> Sample:
        seconds = max(1e-3, now.at - before.at)
        read, written = _rates(before.disk, now.disk, seconds)
        received, sent = _rates(before.network, now.network, seconds)
        load = self._read("loadavg").split()
        return Sample(
            **{
                **{name: getattr(sample, name) for name in Sample.__dataclass_fields__},
                "disk_read_mb_per_second": read,
                "disk_write_mb_per_second": written,
                "network_in_mb_per_second": received,
                "network_out_mb_per_second": sent,
                "processes": int(load[3].partition("/")[2]) if len(load) > 3 else None,
                "load": float(load[0]) if load else None,
            }
        )

    def _counters(self) -> _Counters:
        busy, ticks = self._processor_ticks()
        disk, network = ((0, 0), (0, 0)) if self._is_lightweight else (self._disk_bytes(), self._network_bytes())
        return _Counters(time.monotonic(), busy, ticks, disk, network)

    def _processor_ticks(self) -> Tuple[float, float]:
        """Fields of the line `cpu` (man 5 proc): the fourth is idle, the fifth waits for disks."""
        fields = self._read("stat").partition("\n")[0].split()[1:9]
        ticks = [float(field) for field in fields]
        return (sum(ticks) - sum(ticks[3:5]), sum(ticks)) if len(ticks) == 8 else (0.0, 0.0)

    def _memory(self) -> Tuple[Optional[float], Optional[float]]:
        known = dict(re.findall(r"^(\w+):\s+(\d+) kB", self._read("meminfo"), re.MULTILINE))
        total, available = known.get("MemTotal"), known.get("MemAvailable")
        return None if total is None else int(total) * 1024, None if available is None else int(available) * 1024

    def _program_memory(self) -> Optional[float]:
        """Resident memory of the program and of what it has started, such as loaders of data."""
        sizes = [self._resident(process) for process in self._own_processes()]
        return _round(sum(sizes) / _MB) if sizes and sizes[0] > 0 else None

    def _own_processes(self) -> List[int]:
        found = [os.getpid()]
        for process in found:
            for task in _names(os.path.join(self._proc, str(process), "task")):
                children = self._read(f"{process}/task/{task}/children").split()
                found.extend(int(child) for child in children)
        return found

    def _resident(self, process: int) -> int:
        pages = self._read(f"{process}/statm").split()
        return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else 0

    def _disk_bytes(self) -> Tuple[int, int]:
        lines = (line.split() for line in self._read("diskstats").splitlines())
        disks = [fields for fields in lines if len(fields) > 9 and _DISK.match(fields[2])]
        sectors = sum(int(fields[5]) for fields in disks), sum(int(fields[9]) for fields in disks)
        return sectors[0] * _SECTOR_BYTES, sectors[1] * _SECTOR_BYTES

    def _network_bytes(self) -> Tuple[int, int]:
        lines = (line.partition(":") for line in self._read("net/dev").splitlines())
        interfaces = [rest.split() for name, colon, rest in lines if colon and name.strip() != "lo"]
        return sum(int(fields[0]) for fields in interfaces), sum(int(fields[8]) for fields in interfaces)

    def _gpus(self) -> Sequence[GpuSample]:
        if self._nvidia_smi is None:
            return ()
        command = [self._nvidia_smi, f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=_GPU_SECONDS, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            self._nvidia_smi = None
            return ()
        return [_gpu(line.split(",")) for line in told.splitlines() if line.count(",") == 5]

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self._proc, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:  # Not Linux, or the process has ended.
            return ""


def _gpu(fields: Sequence[str]) -> GpuSample:
    index, *rest = fields
    utilization, used, total, temperature, power = map(_number, rest)
    memory = None if used is None or not total else _percent(used, total)
    return GpuSample(int(index), utilization, memory, used, temperature, power)


def _number(text: str) -> Optional[float]:
    """Fields that a GPU does not know are `[N/A]`."""
    try:
        return float(text)
    except ValueError:
        return None


def _percent(part: float, whole: float) -> Optional[float]:
    return _round(100 * part / whole) if whole > 0 else None


def _rates(before: Tuple[int, int], now: Tuple[int, int], seconds: float) -> Tuple[float, float]:
    first, second = ((b - a) / _MB / seconds for a, b in zip(before, now))
    return _round(first), _round(second)


def _round(value: float) -> float:
    return round(value, 2)


def _names(directory: str) -> List[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
