"""The sound of footage: what was given, or a soft chord, as an AAC track written in step with the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from wan_nb import video

RATE = 44_100
"""Samples a second of the sound track."""


class Track:
    """The AAC track, written in step with the pictures."""

    def __init__(self, out: Any, samples: NDArray[np.float32]) -> None:
        self._out, self._samples, self._written = out, samples, 0
        self._stream = out.add_stream("aac", rate=RATE, layout="mono")

    def write_until(self, end: int) -> None:
        """Write whole AAC frames up to a sample."""
        while self._written + 1024 <= min(end, self._samples.size):
            self._write(self._samples[self._written : self._written + 1024])

    def finish(self) -> None:
        """Write what is left and close the track."""
        self.write_until(self._samples.size)
        if self._written < self._samples.size:
            self._write(self._samples[self._written :])
        self._out.mux(self._stream.encode(None))

    def _write(self, part: NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part[None, :]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._written, Fraction(1, RATE)
        self._written += part.size
        self._out.mux(self._stream.encode(frame))


def samples(seconds: int, given: Path | None, look: int | None) -> NDArray[np.float32]:
    """Return mono samples of a length: silence, or the chord of a look, with a file's sound laid over its start."""
    total = RATE * seconds
    made = np.zeros(total, dtype=np.float32) if look is None else _chord(look, total)
    if given is not None:
        heard = video.sound(given, RATE, limit_s=seconds)
        made[: heard.size] = heard
    return made


def _chord(look: int, total: int) -> NDArray[np.float32]:
    """A soft chord that swells and fades; the look chooses its root."""
    t = np.arange(total, dtype=np.float32) / RATE
    root = 130.81 * 2 ** ((look % 12) / 12)
    wave = np.zeros(total, dtype=np.float32)
    for step, gain in ((0, 1.0), (7, 0.6), (12, 0.5), (16, 0.4)):
        tone = 2 * np.pi * root * 2 ** (step / 12)
        wave += gain * np.sin(tone * t) * (1 + 0.25 * np.sin(2 * np.pi * (0.2 + step / 60) * t))
    edge = min(RATE // 2, total // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32) ** 2
    wave[:edge] *= ramp
    wave[total - edge :] *= ramp[::-1]
    return (0.05 * wave).astype(np.float32)
