"""What somebody meant who typed another name: one line that goes on from there, instead of a bare refusal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the name that was probably meant; empty where none is near.

    Args:
        word: What was typed.
        known: The names that there are.

    Example:
        >>> nearest("promt", ["prompt", "seed"]), nearest("zebra", ["prompt", "seed"])
        ('prompt', '')
    """
    from difflib import get_close_matches  # only after a mistake

    return next(iter(get_close_matches(word, list(known), n=1)), "")


class Hinted:
    """A class whose unknown attributes are answered with what to use.

    Example:
        >>> class Door(Hinted):
        ...     _instead = {"unlock": "door.open()"}
        ...     def close(self): ...
        >>> Door().unlock
        Traceback (most recent call last):
        AttributeError: Door has no 'unlock'; use door.open().
        >>> Door().clos
        Traceback (most recent call last):
        AttributeError: Door has no 'clos'; did you mean 'close'?
    """

    _instead: ClassVar[Mapping[str, str]] = {}
    """What to use, by a name that people expect."""

    if not TYPE_CHECKING:  # a type checker would take any attribute for given

        def __getattr__(self, name: str) -> Any:
            """Raise, with a hint."""
            kind = type(self)
            if name.startswith("_") or hasattr(kind, name):  # front ends ask for these; or a property failed inside
                return object.__getattribute__(self, name)
            use = kind._instead.get(name)
            near = "" if use else nearest(name, [each for each in dir(self) if not each.startswith("_")])
            hint = f"; use {use}." if use else f"; did you mean {near!r}?" if near else "."
            raise AttributeError(f"{kind.__name__} has no {name!r}{hint}")
