"""Which items a release that is tried gets: by a lot that an item draws once and for all. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_PARTS = 1_000_000
"""A percentage is told in ten-thousandths of a percent."""


@dataclass(frozen=True, slots=True)
class Lots:
    """A share of all items: the same items each time, and those of a smaller share are among those of a larger one."""

    seed: str
    """Another one chooses other items."""
    percent: float

    def fall_on(self, tenant: str, environment: str, item: str) -> bool:
        """Whether this item is among them. `item` is what stays the same when it is asked again."""
        if self.percent >= 100:  # noqa: PLR2004 - percent
            return True
        of_what = f"{self.seed}\0{tenant}\0{environment}\0{item}".encode("utf-8", "surrogatepass")
        lot = int.from_bytes(hashlib.blake2b(of_what, digest_size=8).digest()) % _PARTS
        return lot < self.percent * _PARTS / 100
