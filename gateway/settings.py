"""What can be set about the gateway. Every field has a default that suits one machine of two cores."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class HopBudget(BaseModel):
    """How long an item may be at one hop: a share of what is left of its time, and never more than a cap."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(gt=0, le=1)
    """Of the time left when the hop is asked; the rest is for the hops after it."""
    seconds: float = Field(gt=0, le=60)
    """The cap: what a hop that hangs may cost an item whose caller is patient."""


class GatewaySettings(ServiceSettings):
    """Settings of `python -m gateway`."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    default_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long an item may take when its caller does not say."""
    max_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """The longest an item may take, whatever its caller says."""

    in_flight_limit: int = Field(default=256, ge=1, le=65536)
    """Items worked on at once. More makes larger lists, and a longer way for everybody; what exceeds it waits where
    shares are fair."""
    max_wait_seconds: float = Field(default=2.0, gt=0, le=60)
    """An item waits no longer than this for its turn, however patient its caller."""
    stream_unanswered_limit: int = Field(default=1024, ge=1)
    """Items a stream may have unanswered; past it the gateway stops reading and the caller's transport pushes back."""

    voices_limit: int = Field(default=128, ge=1)
    """Voices listened to at once; a tenant's may be half of them. A hundred of them take about half of a core."""
    voice_threads: int = Field(default=1, ge=1, le=16)
    """Threads that look for speech in them."""
    voice_unanswered_limit: int = Field(default=8, ge=1)
    """Utterances a voice may have unanswered; past it the gateway stops reading and the caller's transport pushes back."""
    voice_timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long the decision of an utterance may take."""
    voice_activity: Path = Path(__file__).parents[1] / "inference" / "weights" / "voice_activity" / "1" / "weights.npz"
    """What tells speech from other sound."""

    coalesce: bool = True
    """False sends every item in a call of its own: for measuring what lists are worth."""
    hop_slots: int = Field(default=1, ge=1, le=64)
    """Lists at each hop whose answers have not begun. One makes the largest lists; results that come late hold up nobody."""
    hop_max_batch: int = Field(default=128, ge=1, le=256)
    """Items in one list."""
    detection: HopBudget = HopBudget(share=0.6, seconds=2.0)
    images: HopBudget = HopBudget(share=0.7, seconds=4.0)
    """Detection, of pictures. A large one takes most of a second to decode, and others may be ahead of it."""
    images_slots: int = Field(default=1, ge=1, le=64)
    """As `hop_slots`, of pictures: they go to detection in lists of their own, so that no line waits for one."""
    images_max_batch: int = Field(default=2, ge=1, le=3)
    """Pictures in one list; with four of the largest it would not fit into a message."""
    sounds: HopBudget = HopBudget(share=0.8, seconds=20.0)
    """Detection, of clips. Listening takes a tenth of a clip's length and more, and others may be ahead of it."""
    sounds_slots: int = Field(default=1, ge=1, le=64)
    """As `images_slots`, of clips."""
    sounds_max_batch: int = Field(default=2, ge=1, le=3)
    """As `images_max_batch`, of clips."""
    files_max_bytes: int = Field(default=256 * 1024 * 1024, ge=8 * 1024 * 1024)
    """What the pictures and clips that have been taken in and not answered may take together; a tenant's may take half of it.
    More is refused."""
    context: HopBudget = HopBudget(share=0.4, seconds=1.0)
    restrictions: HopBudget = HopBudget(share=0.4, seconds=1.0)
    routing: HopBudget = HopBudget(share=0.5, seconds=1.0)
    evidence: HopBudget = HopBudget(share=0.5, seconds=2.0)
    """Keeping files that a rule wants kept. Only contents with such files ask; the append must have time after it."""
    evidence_slots: int = Field(default=2, ge=1, le=64)
    """As `hop_slots`, of files to keep."""
    evidence_max_batch: int = Field(default=2, ge=1, le=3)
    """Files in one list; with four of the largest it would not fit into a message."""
    evidence_max_bytes: int = Field(default=64 * 1024 * 1024, ge=16 * 1024 * 1024)
    """What the files on their way to the evidence store may take together; a tenant's may take half of it. What has no room is
    not kept, and its decision says so."""
    append: HopBudget = HopBudget(share=0.7, seconds=1.0)
    """Leaves time for the spool."""
    effects: HopBudget = HopBudget(share=0.8, seconds=0.25)
    """The decision is made by then; an effect that takes longer is PENDING in the answer."""
    background_seconds: float = Field(default=5.0, gt=0, le=60)
    """What happens after the answer may take this long."""

    data_keys_cached: int = Field(default=20_000, ge=1)
    """Subjects whose data key is at hand; a subject that comes back later gets another one."""

    spool_max_records: int = Field(default=200_000, ge=0)
    """How many decisions the gateway keeps on its own disk while the log cannot be reached. 0 keeps none."""
    spool_max_bytes: int = Field(default=512 * 1024 * 1024, ge=0)
    """The same in bytes."""
    spool_replay_seconds: float = Field(default=0.25, gt=0, le=60)
    """How long the gateway waits before it tries again to move its spool to the log."""

    trace_slow_ms: float = Field(default=500.0, gt=0)
    """From here on a decision is slow."""
    trace_notable_per_second: float = Field(default=50.0, ge=1)
    """Traces kept because they are notable (not a plain allow, slow, degraded, failed); more are dropped and counted."""
    trace_queue: int = Field(default=4096, ge=1)
    """Decisions whose spans wait for export; more are dropped and counted."""
