"""Numbers as text, the same in every language that a training program is written in."""
from __future__ import annotations

import math
from decimal import Decimal


def number_text(value: float) -> str:
    """The text that ECMAScript gives a number: `1` for 1.0, `1e-7`, `NaN`, `Infinity`.

    https://tc39.es/ecma262/#sec-numeric-types-number-tostring
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign, parts, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    digits = "".join(map(str, parts))
    return ("-" if sign else "") + _placed(digits, len(digits) + int(exponent))


def _placed(digits: str, point: int) -> str:
    """Digits with the point behind the first `point` of them."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{point - 1:+d}"
