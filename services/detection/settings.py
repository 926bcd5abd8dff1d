"""Settings of the detection service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.detection.cascade import Deep
from services.detection.releases.loading import Places, Release, load_plan
from services.runtime.settings import ServiceSettings

_ROOT = Path(__file__).resolve().parents[2]


class DetectionSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="DETECTION_")

    deep: Deep = Deep.AUTO
    """When the deep tier is asked: where it can change the verdict, always, or never."""
    lists: Path = _ROOT / "config" / "lists"
    """The folder of term lists."""
    detectors: Path = _ROOT / "config" / "detectors"
    """The folder of the files that switch detectors on."""
    plan: Path = _ROOT / "config" / "releases.yaml"
    """Which release of the text models is live. What `moat releases` writes in the service's state folder goes before."""
    releases: Path = _ROOT / "inference" / "releases"
    """The folder of releases' documents: which versions of the next two belong together."""
    fast_text: Path = _ROOT / "inference" / "weights" / "fast_text"
    """The fast tier's versions, and the cascade's numbers that were learned with each."""
    deep_text: Path = _ROOT / "inference" / "model_repository" / "deep_text"
    """The deep tier's tokenizers are here; the models themselves are Triton's."""
    shadow_lines: int = Field(default=256, ge=1)
    """Lines that may wait for a release that is tried beside the live one; more are not scored by it."""
    shadow_busy_lines: int = Field(default=64, ge=0)
    """Lines being decided at a time, above which nothing is tried."""
    deep_slots: int = Field(default=2, ge=1)
    """Calls to Triton at a time."""
    deep_batch: int = Field(default=16, ge=1, le=32)
    """Lines a call; the model's own bound is 32. On a CPU eight lines together are as cheap as they get, and a line waits for the
    list before its own."""
    deep_queue: int = Field(default=512, ge=1)
    """Lines that may wait for the deep tier; more do without."""
    cache_entries: int = Field(default=65_536, ge=0)
    """Texts whose signals are at hand, of all tenants; about 1 KB each. 0 scores every line anew."""
    cache_tenant_entries: int = Field(default=8192, ge=1)
    """The same of one tenant."""
    cache_seconds: float = Field(default=300.0, gt=0)
    """How long a text's signals are good."""

    banks: Path = _ROOT / "config" / "banks"
    """A folder of hash banks; those in `banks` of the service's own state folder, where `moat banks` puts them, count too."""
    image_workers: int = Field(default=1, ge=1, le=64)
    """Processes that decode pictures, about 55 MB each."""
    image_queue: int = Field(default=64, ge=1)
    """Pictures that may wait for them, and for the model; more are refused."""
    image_pixels: int = Field(default=40_000_000, ge=1, le=400_000_000)
    """The most a picture may have; more is refused by its header."""
    image_cpu_seconds: float = Field(default=2.0, gt=0, le=60)
    """How long decoding one may compute before it is refused; four times as long on the clock, then it has no answer."""
    image_memory: int = Field(default=1 << 30, ge=1 << 28)
    """Bytes of address space of such a process. Forty million pixels take 160 MB, twice that with transparency."""
    image_batch: int = Field(default=4, ge=1, le=8)
    """Pictures a call to the model; its own bound is 8."""
    image_text: bool = True
    """Whether words in pictures are read."""
    image_text_queue: int = Field(default=8, ge=1)
    """Pictures with words that may wait for the reader; the words of more are not read, and the policy says what then."""
    image_text_seconds: float = Field(default=1.0, gt=0, le=30)
    """How long lines of one picture are read; what is left is not."""
    image_text_kept: int = Field(default=65_536, ge=0)
    """Code points of words kept in mind of each tenant, for pictures of the same bytes."""
    image_cache_seconds: float = Field(default=3600, ge=0)
    """How long what the model said of a picture holds for those that look the same, within a tenant; 0 is no cache."""
    image_cache_pictures: int = Field(default=4096, ge=1)
    """Pictures kept in mind of each tenant, some 300 bytes each."""
    image_cache_tenants: int = Field(default=256, ge=1)
    """Tenants whose pictures are kept in mind."""

    voice_activity: Path = _ROOT / "inference" / "weights" / "voice_activity" / "1" / "weights.npz"
    """What tells speech from other sound."""
    sound_workers: int = Field(default=1, ge=1, le=64)
    """Processes that decode clips and look for speech in them, about 60 MB each."""
    sound_queue: int = Field(default=64, ge=1)
    """Clips that may wait for them; more are refused."""
    sound_seconds: float = Field(default=90.0, gt=0, le=600)
    """The longest clip; a longer one is refused by its header."""
    sound_cpu_seconds: float = Field(default=4.0, gt=0, le=60)
    """How long one may compute before it is refused; four times as long on the clock, then it has no answer."""
    sound_memory: int = Field(default=1 << 30, ge=1 << 28)
    """Bytes of address space of such a process."""
    speech_slots: int = Field(default=1, ge=1, le=64)
    """Utterances that Triton hears at a time; as many as the model has instances."""
    speech_queue_seconds: float = Field(default=120.0, ge=60)
    """Seconds of speech that may wait to be heard; half of that of one tenant. What is more is not listened to, and the verdict
    says so. A core hears some twenty seconds in one."""

    @property
    def places(self) -> Places:
        """Where releases and what belongs to them lie."""
        return Places(self.releases, self.deep_text, self.fast_text)

    def live_release(self) -> Release:
        """The one that the configuration's plan names: for tools that run beside no mesh. Raises BadRelease."""
        return load_plan((self.plan,), self.places).live
