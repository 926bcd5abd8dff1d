"""What a detector is: a card that says what it can do, and something that answers questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict


class Kind(StrEnum):
    """What a content is."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"


class Place(StrEnum):
    """Where a detector runs."""

    IN_PROCESS = "in_process"
    TRITON = "triton"
    HTTP = "http"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True)
class Question:
    """One content to look at. Who said it is not told."""

    kind: Kind
    text: str = ""
    """As its author typed it; of a `text` only."""
    data: bytes = b""
    """As they came, unchecked: whoever decodes them bounds pixels, time and memory. Of the other kinds only."""
    media_type: str = ""
    """What the caller believes the bytes to be."""
    language: str = ""
    """BCP 47, if the caller said so."""
    tenant: str = ""
    environment: str = ""
    surface: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An answer."""

    scores: Mapping[str, float]
    """By category, 0 to 1; a category that is not here scores 0. It is checked by whoever asked."""
    cost_micros: int = 0
    """What it cost, if that is known; 0 stands for what the detector's file says."""


class WrongAnswer(Exception):
    """About one content there is no answer that could be believed. The message never has content in it."""


class NotThere(Exception):
    """The detector as a whole does not work: it cannot be reached, or has answered that it does not. Opens its breaker."""


Answer = Found | WrongAnswer


class Asks(Protocol):
    """A detector that is on."""

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """One answer a question, in their order. All questions are one tenant's and of one kind.

        Several calls may run at once. Never blocks the event loop. May be cancelled at any await, which ends the call: its time
        is bounded by whoever asks. Raises NotThere, or WrongAnswer when it stands for all of them.
        """

    async def close(self) -> None:
        """Lets go of what it holds."""


class DetectorSettings(BaseModel):
    """What the `settings` of a detector's file may hold. Subclasses add fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def texts(self) -> Sequence[Path]:
        """Files, UTF-8, whose content belongs to the detector: it is read with the file and counts to its version."""
        return ()

    def secrets(self) -> Sequence[Path]:
        """Files that must be there and readable. They are read when they are needed, so that they may be renewed."""
        return ()


@dataclass(frozen=True, slots=True)
class Opening:
    """What a detector is opened with."""

    name: str
    categories: tuple[str, ...]
    concurrency: int
    seconds: float
    """How long a call may take."""
    settings: Any
    """Of the detector's own class of settings."""
    folder: Path
    """What relative paths in the settings are relative to."""
    texts: Mapping[Path, str] = field(default_factory=dict)
    """Content of `settings.texts()`."""
    triton: str = ""
    """host:port of Triton's gRPC."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a detector says of itself. What is wanted of it stands in its file under `config/detectors`."""

    name: str
    """What files call it, and the name of its module: a sentence, or most of one."""
    summary: str
    """What it looks for and how, what it is good for and what not; one line."""
    version: str
    """Raise it when its answers change."""
    kinds: frozenset[Kind]
    """What it can look at."""
    place: Place
    categories: frozenset[str] = frozenset()
    """What it scores; empty when its file must say so."""
    settings: type[DetectorSettings] = DetectorSettings
    lists: bool = True
    """Whether a call may hold several contents."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One entry of the registry."""

    card: Card
    open: Callable[[Opening], Asks]
    """Called in the event loop; must not block."""
