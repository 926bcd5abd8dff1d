"""Where a detector may be called: what its file says and nothing else, over TLS, or in the clear on this machine alone."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from services.detection.detectors.port import NotThere

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>[0-9]{1,5})")
_PLAIN = re.compile(r"[\x21-\x7e]+")
_HTTPS, _HTTP = 443, 80


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """A URL taken apart."""

    secure: bool
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (_HTTPS if self.secure else _HTTP) else f"{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> HttpEndpoint:
        """Raises ValueError that says what is wrong."""
        if not _PLAIN.fullmatch(url):
            raise ValueError("a URL is printable ASCII without spaces")
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("a URL begins with https:// and a host (http:// for this machine alone)")
        if parts.username is not None or parts.password is not None:
            raise ValueError(
                "a URL holds no user and no password; put the secret into a file, and its path into `secret_file`"
            )
        if parts.fragment:
            raise ValueError("a URL for a detector has no #fragment")
        secure = parts.scheme == "https"
        if not secure and not is_loopback(parts.hostname):
            raise ValueError(f"{parts.hostname} is not this machine: use https")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(secure, parts.hostname, parts.port or (_HTTPS if secure else _HTTP), target)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_secret(path: Path) -> str:
    """Raises NotThere. Read at each call, so that it may be renewed at any time: it is a small file on this machine."""
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise NotThere(f"its secret cannot be read: {type(error).__name__}") from None
    if not _PLAIN.fullmatch(secret):
        raise NotThere("its secret is empty, or no single word of printable ASCII")
    return secret


def _url(url: str) -> str:
    HttpEndpoint.parse(url)
    return url


def _address(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        raise ValueError("an address is host:port; no scheme, no path")
    return address


Url = Annotated[str, AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_address)]
"""host:port."""


def host_of(address: str) -> str:
    """Of an `Address`."""
    return address.rpartition(":")[0]
