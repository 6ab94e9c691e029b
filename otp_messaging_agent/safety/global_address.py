"""Whether an address is one that anybody on the internet may reach. Pure.

By IANA's registries of special-purpose addresses
(https://www.iana.org/assignments/iana-ipv4-special-registry, .../iana-ipv6-special-registry):
`ipaddress` has them too, but each version of Python another issue of them. So what versions differ
in stands here; a block of protocols that is reachable in parts is refused as a whole.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_PROTOCOLS_4 = IPv4Network("192.0.0.0/24")
_RELAYS = IPv4Network("192.88.99.0/24")  # 6to4 routers (RFC 7526)
_UNICAST = IPv6Network("2000::/3")  # all that is assigned for unicast by now
_PROTOCOLS_6 = IPv6Network("2001::/23")
_EXAMPLES = IPv6Network("3fff::/20")  # RFC 9637
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


def is_global(address: str) -> bool:
    """Return whether *address*, as a resolver answers it, is global and of one machine.

    One that carries an IPv4 address is what that is: traffic to it ends there. A network's own
    NAT64 prefix cannot be told from other addresses.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return _is_global_4(found)
    if found.scope_id is not None:
        return False
    inner = _carried(found)
    if inner:
        return all(map(_is_global_4, inner))
    special = found in _PROTOCOLS_6 or found in _EXAMPLES
    return found in _UNICAST and found.is_global and not special


def _is_global_4(address: IPv4Address) -> bool:
    special = address in _PROTOCOLS_4 or address in _RELAYS or address.is_multicast
    return address.is_global and not special


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses within: mapped, 6to4, NAT64, or Teredo's server and client."""
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return address.teredo or tuple(filter(None, (address.ipv4_mapped, address.sixtofour)))
