"""Makes things by the type that a config names."""
from __future__ import annotations

from typing import Any, Callable, Dict, Generic, Mapping, Tuple, TypeVar

from .closest import closest

Product = TypeVar("Product")
Context = TypeVar("Context")
Factory = Callable[[Dict[str, Any], Context], Product]


class UnknownType(Exception):
    """No factory is registered under this name."""


class Registry(Generic[Product, Context]):
    """Factories by the name under which a config asks for them; `what` is one of what they make, for messages."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._factories: Dict[str, Factory[Context, Product]] = {}

    @property
    def types(self) -> Tuple[str, ...]:
        return tuple(self._factories)

    def register(self, type_name: str, factory: Factory[Context, Product]) -> Registry[Product, Context]:
        """Raises ValueError when the name is taken."""
        if type_name in self._factories:
            raise ValueError(f'There is a {self._what} of type "{type_name}" already; choose another name.')
        self._factories[type_name] = factory
        return self

    def create(self, spec: Mapping[str, Any], context: Context) -> Product:
        """What the factory of `type` makes of the other settings.

        Raises UnknownType naming those that there are, and what the factory raises.
        """
        settings = dict(spec)
        wanted = settings.pop("type", None)
        factory = self._factories.get(wanted) if isinstance(wanted, str) else None
        if factory is not None:
            return factory(settings, context)
        meant = closest(str(wanted), self.types) if self.types else None
        hint = "" if meant is None else f'; did you mean "{meant}"?'
        known = f"there are {', '.join(self.types)}" if self.types else "none is registered"
        raise UnknownType(f'There is no {self._what} of type "{wanted}"{hint} ({known})')
