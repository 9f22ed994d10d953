"""Samples as a picture."""
from __future__ import annotations

from html import escape
from typing import List, Sequence, Tuple

from .sample import Sample

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 800, 240, 40, 30, 24
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def plot_svg(samples: Sequence[Sample]) -> str:
    """Percentages over the time, as SVG: processors, memory, and of each GPU how busy and how full it is."""
    names = sorted({name for sample in samples for name in sample.numbers() if name.endswith("_percent")})
    first, last = (samples[0].time_ms, samples[-1].time_ms) if samples else (0, 0)
    lines: List[str] = []
    for index, name in enumerate(names):
        points = [(sample.time_ms - first, sample.numbers()[name]) for sample in samples if name in sample.numbers()]
        colour = _COLOURS[index % len(_COLOURS)]
        lines.append(f'<polyline fill="none" stroke="{colour}" points="{_path(points, max(1, last - first))}"/>')
        lines.append(f'<text x="{_LEFT + 150 * index}" y="18" fill="{colour}">{escape(name)}</text>')
    grid = [
        f'<text x="4" y="{_y(percent) + 4:.0f}">{percent} %</text>'
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{_y(percent):.0f}" y2="{_y(percent):.0f}" stroke="#ddd"/>'
        for percent in (0, 50, 100)
    ]
    time = f'<text x="{_WIDTH - 60}" y="{_HEIGHT - 6}">{(last - first) / 1000:.0f} s</text>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="11">'
    )
    return "\n".join([head, *grid, *lines, time, "</svg>\n"])


def _path(points: Sequence[Tuple[float, float]], length_ms: float) -> str:
    return " ".join(f"{_LEFT + (_WIDTH - _LEFT) * x / length_ms:.1f},{_y(y):.1f}" for x, y in points)


def _y(percent: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * min(100, max(0, percent)) / 100
