"""MP4s, sounds and clips for tests: made by code, and looked at with PyAV alone, not with what is being tested."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np


@dataclass(frozen=True, slots=True)
class Film:
    """What a video file is, read from the file."""

    codec: str
    """Of the pictures."""
    size: tuple[int, int]
    """Pixels."""
    fps: float
    """Frames a second."""
    frames: int
    """Frames that decode."""
    sound: tuple[str, float] | None
    """Codec and seconds of the sound track, None where there is none."""

    @property
    def seconds(self) -> float:
        """Length of the pictures."""
        return self.frames / self.fps


def look_at(file: Path | bytes) -> Film:
    """Decode a video whole."""
    with av.open(io.BytesIO(file) if isinstance(file, bytes) else str(file)) as film:
        stream = film.streams.video[0]
        sound = film.streams.audio[0] if film.streams.audio else None
        tracks = [stream, sound] if sound else [stream]
        frames = samples = 0
        for frame in film.decode(*tracks):
            if isinstance(frame, av.VideoFrame):
                frames += 1
            else:
                samples += frame.samples
        heard = (sound.codec_context.name, samples / sound.rate) if sound else None
        size = (stream.codec_context.width, stream.codec_context.height)
        return Film(stream.codec_context.name, size, float(stream.average_rate), frames, heard)


def loudness(file: Path, begin_s: float, end_s: float) -> float:
    """Return how loud a file's sound is between two moments, 0 to 1 (root of the mean square)."""
    with av.open(str(file)) as film:
        track = film.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=track.rate)
        blocks = [part.to_ndarray().ravel() for frame in film.decode(track) for part in resampler.resample(frame)]
        samples = np.concatenate(blocks)[int(begin_s * track.rate) : int(end_s * track.rate)]
    return float(np.sqrt(np.mean(samples**2)))


def write_sound(path: Path, seconds: float, *, rate: int = 8000) -> Path:
    """Write a tone as wav, exact to the sample, or as whatever the name says."""
    wave_form = (12_000 * np.sin(np.arange(round(seconds * rate)) * 0.3)).astype(np.int16)
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(wave_form.tobytes())
        return path
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream({".mp3": "libmp3lame", ".flac": "flac", ".m4a": "aac"}[path.suffix], rate=rate)
        frame = av.AudioFrame.from_ndarray(wave_form[None, :], format="s16", layout="mono")
        frame.rate = rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write_clip(path: Path, size: tuple[int, int], seconds: float, *, fps: int = 10, sound_s: float = 0.0) -> Path:
    """Write a clip whose brightness rises, with a tone where `sound_s` is given."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        count = round(seconds * fps)
        track: Any = out.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        for number in range(count):
            flat = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
            flat[: size[1]] = 40 + 150 * number // count
            out.mux(stream.encode(av.VideoFrame.from_ndarray(flat, format="yuv420p")))
        out.mux(stream.encode(None))
        if track:
            tone = (0.2 * np.sin(np.arange(round(sound_s * 8000), dtype=np.float32) * 0.3)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None, :], format="fltp", layout="mono")
            frame.rate = 8000
            out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path
