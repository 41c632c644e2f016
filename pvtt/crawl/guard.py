"""Which URLs may be requested: allow-listed hosts on public addresses, and nothing else, even by redirect."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pvtt.params.crawl import CrawlParams

DEFAULT_PORTS = {"http": 80, "https": 443}


def address_fault(address: str, allow_loopback: bool) -> str | None:
    """Why an IP address must not be connected to; None where it may be.

    Refused is everything outside the public internet: private, link-local (cloud metadata services live there),
    shared, reserved, multicast and, without `allow_loopback`, loopback. An IPv4 address inside an IPv6 one counts as
    itself.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour
        if embedded is not None:
            ip = embedded
        elif ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64, RFC 6052
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.is_loopback:
        return None if allow_loopback else f"{address} is this machine, and crawl.allow_loopback is false"
    if not ip.is_global or ip.is_multicast:
        return f"{address} is not a public address"
    return None


@dataclass(frozen=True)
class HostPolicy:
    """The allow-list of one crawl.

    An entry is a host (`shop.example`), with its port (`shop.example:8080`), or all hosts below one (`*.shop.example`).
    Without a port it admits ports 80 and 443, and the start's own.

    Args:
        allowed_hosts: Hosts that may be asked, as `crawl.allowed_hosts` lists them.
        allow_loopback: Whether addresses of this machine may be connected to.
        start_port: Port of the crawl's start; None where it starts from a file.
    """

    allowed_hosts: tuple[str, ...]
    allow_loopback: bool
    start_port: int | None = None

    @classmethod
    def of(cls, params: CrawlParams, start: str | None) -> HostPolicy:
        """The policy of a crawl that starts at the URL `start`."""
        port = None
        if start is not None:
            parts = urlsplit(start)
            port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        return cls(params.allowed_hosts, params.allow_loopback, port)

    def fault(self, url: str) -> str | None:
        """Why a URL must not be requested; None where it may be.

        Names are checked here, what they resolve to when the connection is made (`pvtt.crawl.guarded`).
        """
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            return "it is not a URL"
        if parts.scheme not in DEFAULT_PORTS:
            return f"its scheme is {parts.scheme or 'missing'}, not http or https"
        if not host:
            return "it names no host"
        if parts.username is not None or parts.password is not None:
            return "it carries a user name or password"
        port = port or DEFAULT_PORTS[parts.scheme]
        if not any(self._admits(entry, host, port) for entry in self.allowed_hosts):
            return f"{host}:{port} is not in crawl.allowed_hosts"
        try:
            return address_fault(host, self.allow_loopback)
        except ValueError:
            return None

    def _admits(self, entry: str, host: str, port: int) -> bool:
        name, _, wanted_port = entry.lower().rpartition(":") if _has_port(entry) else (entry.lower(), "", "")
        port_fits = port == int(wanted_port) if wanted_port else port in (80, 443, self.start_port)
        name_fits = host.endswith(name[1:]) if name.startswith("*.") else host == name.strip("[]")
        return port_fits and name_fits


def _has_port(entry: str) -> bool:
    host, _, port = entry.rpartition(":")
    return port.isdigit() and (":" not in host or host.endswith("]"))
