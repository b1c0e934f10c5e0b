"""Which hosts may be connected to: every address of a host is checked (against server-side request forgery)."""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from llmkit.errors import PageError, PageRefused

_FORBIDDEN = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; 169.254.169.254 serves the credentials of a cloud machine
        "168.63.129.16/32",  # Azure's, though the number looks public
        "100.100.100.200/32",  # Alibaba's
        "192.0.0.192/32",  # Oracle's
        "224.0.0.0/4",
        "255.255.255.255/32",
        "fd00:ec2::/32",  # Amazon's
        "fe80::/10",
        "ff00::/8",
    )
)
"""Metadata services, link-local and multicast: no web page is there, not even a private one."""
_NOT_PUBLIC = tuple(  # 2001::/23 has Teredo, 2002::/16 is 6to4
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16"))
)
"""Not addresses of public sites, though `is_global` is true for them in some versions of Python."""
_PUBLIC_V6 = IPv6Network("2000::/3")
_NAT64, _LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")


def resolve(host: str, port: int, limit: float) -> list[str]:
    """Return all addresses of a host.

    Raises:
        PageError: it has none, or the resolver takes longer than `limit` seconds.
    """
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    # The system's resolver takes no time limit: it is left behind in a daemon thread.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(limit)
    answer: Any = found[0] if found else TimeoutError(f"no answer after {limit:.0f} s")
    if isinstance(answer, Exception) or not answer:
        reason = getattr(answer, "strerror", None) or answer or "it has no address"
        raise PageError(f"names the host {host}, which is not found ({reason}): check the URL and the network")
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answer))


def validate_addresses(addresses: list[str], allow_private: bool) -> None:
    """Check that all addresses of a host may be connected to."""
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if any(form in network for form in _with_embedded(address) for network in _FORBIDDEN):
            raise PageRefused(f"leads to {text}, where no machine serves pages: give another URL")
        if not allow_private and not is_public(address):
            raise PageRefused(
                f"leads to {text}, which is no public address: "
                "pages of local servers are read with allow_private=True (--allow-private)"
            )


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether anyone can reach an address, and the IPv4 address that may be embedded in it."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:  # networks without IPv4 reach all of it through these
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _PUBLIC_V6:  # mapped and compatible IPv4 among them
            return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in (*_FORBIDDEN, *_NOT_PUBLIC))


def _with_embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the address, and the IPv4 addresses that are embedded in it."""
    if isinstance(address, IPv4Address):
        return [address]
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _LOCAL_NAT64 or address in _COMPATIBLE:
        inside.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(form for form in inside if form is not None)]
