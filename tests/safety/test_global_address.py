"""Global addresses are those that no registry of special ones names."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otp_messaging_agent.safety.global_address import is_global

# The registries of IANA as of 2025, what is not globally reachable, and the blocks that the agent
# refuses as a whole: 192.0.0.0/24, 2001::/23 and everything outside 2000::/3.
SPECIAL_4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
]
SPECIAL_6 = ["2001::/23", "2001:db8::/32", "3fff::/20"]
RANGES_4 = [(int(n[0]), int(n[-1])) for n in map(IPv4Network, SPECIAL_4)]
RANGES_6 = [(int(n[0]), int(n[-1])) for n in map(IPv6Network, SPECIAL_6)]
ALL_ONES = (1 << 32) - 1


def expected_4(number):
    return not any(first <= number <= last for first, last in RANGES_4)


def expected_6(number):
    low = number & ALL_ONES
    if number >> 32 in {0xFFFF, 0x0064FF9B << 64}:  # mapped, NAT64
        return expected_4(low)
    if number >> 112 == 0x2002:
        return expected_4(number >> 80 & ALL_ONES)
    if number >> 96 == 0x2001_0000:
        return expected_4(number >> 64 & ALL_ONES) and expected_4(low ^ ALL_ONES)
    special = any(first <= number <= last for first, last in RANGES_6)
    return number >> 125 == 1 and not special


def near(ranges, bits):
    """Anywhere, and close to where a range begins or ends."""
    edges = st.sampled_from([edge for pair in ranges for edge in pair])
    close = st.builds(lambda edge, by: (edge + by) % (1 << bits), edges, st.integers(-2, 2))
    within = st.sampled_from(ranges).flatmap(lambda pair: st.integers(*pair))
    return st.integers(0, (1 << bits) - 1) | close | within


V4 = near(RANGES_4, 32)


@given(V4)
def test_an_ipv4_address_is_global_where_no_registry_says_otherwise(number):
    assert is_global(str(IPv4Address(number))) == expected_4(number)


@given(near(RANGES_6, 128) | st.integers(0x2 << 124, 0x4 << 124))
@example(1)
@example(0)
@example(0xFEC0 << 112)
def test_an_ipv6_address_is_global_where_it_is_unicast_and_not_special(number):
    assert is_global(str(IPv6Address(number % (1 << 128)))) == expected_6(number % (1 << 128))


@given(V4, V4, st.integers(0, (1 << 80) - 1))
def test_an_address_that_carries_another_is_what_that_is(inner, other, rest):
    carriers = [
        (0xFFFF << 32 | inner, expected_4(inner)),
        (0x0064_FF9B << 96 | inner, expected_4(inner)),
        (0x2002 << 112 | inner << 80 | rest, expected_4(inner)),
        (
            0x2001_0000 << 96 | other << 64 | inner ^ ALL_ONES,
            expected_4(inner) and expected_4(other),
        ),
        (inner, False),  # ::a.b.c.d, which means nothing any more
    ]
    for number, judged in carriers:
        address = str(IPv6Address(number))
        assert is_global(address) == judged, address


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.32.0.1"),
        *("2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8"),
        *("64:ff9b::808:808", "2002:808:808::1"),
    ],
)
def test_the_addresses_of_the_internet_are_global(address):
    assert is_global(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1"),  # noqa: S104
        *("169.254.169.254", "172.16.0.1", "192.0.0.9", "192.0.0.192", "192.88.99.1"),
        *("192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.255.255.250"),
        *("240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::7f00:1"),
        *("::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2002:7f00:1::"),
        *("2002:a9fe:a9fe::1", "2001::1", "2001:db8::1", "2001:2::1", "3fff::1", "5f00::1"),
        *("100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
        *("2606:4700:4700::1111%eth0", "", "localhost", "2130706433", "0x7f.1", "8.8.8.8 "),
    ],
)
def test_all_others_and_what_is_no_address_are_not(address):
    assert not is_global(address)
