"""Random numbers that are the same for the same seed, in every language that a training program is written in."""
from __future__ import annotations

import math
from typing import List, Sequence

_MASK = 0xFFFFFFFF
_MAX_SEED = 2**53 - 1


class SeededRandom:
    """Goes on from a saved state. For programs that resume; not for secrets.

    sfc32 of Chris Doty-Humphrey's PractRand, whose period is at least 2^32.
    """

    def __init__(self, *seeds: int) -> None:
        """Raises ValueError when a seed is no whole number."""
        self._state = [0, 0, 0, 1]
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) > _MAX_SEED:
                raise ValueError(f"A seed is a whole number, not {seed}.")
            self._state[0] ^= seed & _MASK
            self._state[1] ^= (seed >> 32) & _MASK
            # Seeds that differ in one bit differ in half of them after twelve rounds.
            for _ in range(12):
                self.uint32()

    @property
    def state(self) -> List[int]:
        """Four whole numbers of 32 bits, which JSON holds as they are."""
        return [number - (number >> 31 << 32) for number in self._state]

    @state.setter
    def state(self, state: Sequence[int]) -> None:
        a, b, c, counter = state
        self._state = [a & _MASK, b & _MASK, c & _MASK, counter & _MASK]

    def uint32(self) -> int:
        """A whole number from 0 to 2^32 - 1."""
        a, b, c, counter = self._state
        following = (a + b + counter) & _MASK
        rotated = ((c << 21) | (c >> 11)) & _MASK
        # The shift of b keeps its bits as they are, without the sign.
        self._state = [b ^ (b >> 9), (c + (c << 3)) & _MASK, (rotated + following) & _MASK, (counter + 1) & _MASK]
        return following

    def next(self) -> float:
        """From 0 to 1, without 1."""
        return self.uint32() / 2**32

    def normal(self) -> float:
        """Normally distributed with mean 0 and variance 1 (Box and Muller, one of the pair)."""
        return math.sqrt(-2 * math.log(1 - self.next())) * math.cos(2 * math.pi * self.next())

    def permutation(self, size: int) -> List[int]:
        """Whole numbers from 0 to `size` - 1 in random order (Fisher and Yates)."""
        order = list(range(size))
        for last in range(size - 1, 0, -1):
            other = math.floor(self.next() * (last + 1))
            order[last], order[other] = order[other], order[last]
        return order
