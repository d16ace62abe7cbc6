"""The engine's thread at its end: what waits for it comes back, and what leaves after it leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from wan_nb.engine import Engine, at_exit
from wan_nb.errors import ConfigError


def test_a_call_made_while_the_engine_stops_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed over when nobody takes it any more, it would wait for ever."""
    engine = Engine()
    with monkeypatch.context() as late:
        late.setattr(engine.loop, "close", lambda: None)
        engine.stop()

    async def never() -> None:
        raise AssertionError

    with pytest.raises(ConfigError, match="closed while the call waited"):
        engine.run(never())
    engine.loop.close()


def test_one_that_fails_to_leave_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it was Ctrl-C that stopped it."""
    hooks: list[Callable[[], None]] = []
    monkeypatch.setattr(threading, "_register_atexit", hooks.append, raising=False)
    left: list[str] = []

    class Guest:
        def __init__(self, name: str) -> None:
            self.name = name

        def leave(self) -> None:
            if self.name == "stuck":
                raise KeyboardInterrupt
            left.append(self.name)

    guests = [Guest("stuck"), Guest("next")]
    for guest in guests:
        at_exit(guest.leave)
    for hook in hooks:
        hook()
    assert left == ["next"]
