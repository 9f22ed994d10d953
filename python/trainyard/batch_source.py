"""Data that can be read from the middle of an epoch on."""
from __future__ import annotations

from typing import Iterable, Iterator, List, TypeVar

from .seeded_random import SeededRandom

Batch = TypeVar("Batch")


class SeededBatches:
    """Batches of indices of items, in an order that follows from the seed and the number of the epoch alone.

    A run that resumes in the middle of an epoch gets the batches that it would have got. Any object with a method
    `batches_of(epoch, first)`, and `len()` where that is known, can be in its place.

    size        items of an epoch
    batch_size  items of a batch
    shuffle     whether the items are shuffled anew in each epoch
    drop_last   whether a last batch that is not full is left out

    Raises ValueError when there is nothing to read.
    """

    def __init__(
        self, size: int, batch_size: int, seed: int, *, shuffle: bool = True, drop_last: bool = False
    ) -> None:
        if not isinstance(size, int) or not 0 < size < 2**32:
            raise ValueError(f"size is a number of items, not {size}.")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size is a number of items, not {batch_size}.")
        self._size = size
        self._batch_size = batch_size
        self._seed = seed
        self._shuffle = shuffle
        self._length = size // batch_size if drop_last else -(-size // batch_size)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._length

    def batches_of(self, epoch: int, first: int) -> Iterator[List[int]]:
        """The batches of an epoch from the one with the number `first` on, the same each time."""
        order = SeededRandom(self._seed, epoch).permutation(self._size) if self._shuffle else list(range(self._size))
        for batch in range(first, self._length):
            yield order[batch * self._batch_size : (batch + 1) * self._batch_size]


def batches_from(source: Iterable[Batch], epoch: int, first: int) -> "tuple[Iterable[Batch], bool]":
    """The batches from `first` on, and whether the source can begin there by itself."""
    batches_of = getattr(source, "batches_of", None)
    if callable(batches_of):
        found: Iterable[Batch] = batches_of(epoch, first)
        return found, True
    if isinstance(source, (list, tuple, range)):
        return source[first:], True
    return _behind(source, first), first == 0


def _behind(source: Iterable[Batch], first: int) -> Iterator[Batch]:
    for index, batch in enumerate(source):
        if index >= first:
            yield batch
