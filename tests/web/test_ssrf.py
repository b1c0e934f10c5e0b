"""No spelling of a private address gets through, and what was checked is what is connected to."""

import ipaddress
import socket
import ssl
import threading

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from llmkit.errors import PageError, PageRefused
from llmkit.web import fetch, ssrf
from tests.support.site import PAGE, TEXT, serving

# fmt: off
PRIVATE = [ipaddress.ip_network(network) for network in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4", "168.63.129.16/32",
)]
NOT_PUBLIC_V6 = [
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "3fff::1",
    "2002:808:808::1", "::8.8.8.8", "::ffff:8.8.8.8", "64:ff9b:1::808:808", "100::1", "5f00::1", "4000::1",
]
NEVER = [
    "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "fe80::1",
    "168.63.129.16", "100.100.100.200", "224.0.0.1", "ff02::1",
]
# fmt: on


@st.composite
def private_v4(draw):
    network = draw(st.sampled_from(PRIVATE))
    return ipaddress.IPv4Address(int(network[0]) + draw(st.integers(0, network.num_addresses - 1)))


def spellings_v4(address):
    """As inet_aton reads it: one to four numbers, each decimal, octal or hexadecimal."""
    number, octets = int(address), address.packed
    low = number & 0xFFFFFF
    yield from (str(number), hex(number), f"0{number:o}", f"0X{number:X}")
    yield from (f"{octets[0]}.{low}", f"0x{octets[0]:x}.0{low:o}", f"{octets[0]}.{octets[1]}.{number & 0xFFFF}")
    yield from (".".join(f"0{octet:o}" for octet in octets), ".".join(hex(octet) for octet in octets), str(address))


def spellings_v6(address):
    """The IPv6 addresses that carry it."""
    number = int(address)
    bases = ("::ffff:0:0", "::", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:fffe::")
    yield from (ipaddress.IPv6Address(int(ipaddress.IPv6Address(base)) | number) for base in bases)
    yield ipaddress.IPv6Address((0x2002 << 112) | number << 80 | 1)
    yield ipaddress.IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | (~number & 0xFFFFFFFF))
    yield ipaddress.IPv6Address((0x20010000 << 96) | (number << 64) | 0xF7F7F7F7)


@pytest.mark.slow
@given(private_v4(), st.data())
def test_no_private_address_passes_in_any_spelling(address, data):
    number = data.draw(st.sampled_from(list(spellings_v4(address))))
    for host in (number, *(f"[{form}]" for form in spellings_v6(address))):
        with pytest.raises((PageRefused, PageError)) as caught:
            fetch(f"http://{host}/", cache=False, respect_robots=False)
        assert isinstance(caught.value, PageRefused) or "not found" in str(caught.value)


@given(st.ip_addresses())
def test_accepted_addresses_are_global(address):
    if ssrf.is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_link_local


@pytest.mark.parametrize("host", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "93.184.215.14"])
def test_public_addresses_pass(host):
    ssrf.validate_addresses([host], allow_private=False)
    assert ssrf.is_public(ipaddress.ip_address(host))


@pytest.mark.parametrize("host", [*NOT_PUBLIC_V6, "192.88.99.1"])
def test_other_addresses_do_not(host):
    with pytest.raises(PageRefused):
        ssrf.validate_addresses([host], allow_private=False)


def test_one_bad_address_among_good_ones_is_enough():
    with pytest.raises(PageRefused, match=r"10\.0\.0\.1"):
        ssrf.validate_addresses(["8.8.8.8", "10.0.0.1"], allow_private=False)


@pytest.mark.parametrize("host", NEVER)
def test_metadata_services_are_never_requested(host):
    with pytest.raises(PageRefused, match="no machine serves pages"):
        ssrf.validate_addresses([host], allow_private=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fd12::1", "8.8.8.8"])
def test_local_servers_can_be_allowed(host):
    ssrf.validate_addresses([host], allow_private=True)
    assert ssrf.is_public(ipaddress.ip_address(host)) == (host == "8.8.8.8")


@pytest.fixture
def resolver(monkeypatch):
    """Answers of a resolver that is not to be trusted: one list of addresses after the other."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *args, **settings):
        if host not in answers:
            return real(host, port, *args, **settings)
        address = answers[host].pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return answers


def test_a_second_answer_of_the_resolver_leads_nowhere(site, resolver):
    """The first, public, is checked; the second would be this machine. The connection goes to the first."""
    resolver["rebind.test"] = ["93.184.215.14", "127.0.0.1"]
    blocked = r"93\.184\.215\.14"  # as every test is from connecting elsewhere than here
    with pytest.warns(UserWarning, match=blocked), pytest.raises(PageError, match=blocked):
        fetch(f"http://rebind.test:{site.port}/page", respect_robots=False, cache=False)
    assert site.asked == []
    assert resolver["rebind.test"] == ["127.0.0.1"]


def test_changing_dns_results_are_checked_every_time(site, resolver):
    def answer(handler):
        handler.close_connection = True
        handler.send(status=302, Location="/end", Connection="close")

    site.put(answer)
    resolver["rebind.test"] = ["127.0.0.1", "169.254.169.254"]
    with pytest.raises(PageRefused, match=r"169\.254\.169\.254"):
        fetch(f"http://rebind.test:{site.port}/page", allow_private=True, respect_robots=False)


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30))
    with pytest.raises(PageError, match=r"slow\.test, which is not found"):
        fetch("http://slow.test/", connect_timeout=0.1)
    over.set()


def test_an_unresolvable_host_raises_a_clear_error(resolver, monkeypatch):
    def fails(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(PageError, match=r"no-such-host\.test, which is not found \(Name or service not known\)"):
        fetch("https://no-such-host.test/page")


def test_the_name_is_kept_for_the_server(site, resolver):
    resolver["name.test"] = ["127.0.0.1"] * 2
    site.page()
    fetch(f"http://name.test:{site.port}/page", allow_private=True)
    assert {headers["Host"] for _, headers in site.asked} == {f"name.test:{site.port}"}


@pytest.fixture
def authority(tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return authority


def secure(authority, name, names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.sni_callback = lambda _socket, asked, _context: names.append(asked)
    return serving(context, "https", "name.test")


def test_tls_is_made_with_the_name_not_the_address(authority, resolver):
    names: list[str] = []
    with secure(authority, "name.test", names) as site:
        resolver["name.test"] = ["127.0.0.1"] * 2
        assert fetch(site.page(PAGE), allow_private=True).page_content == TEXT
    assert set(names) == {"name.test"}


def test_a_certificate_must_be_that_of_the_name(authority, resolver):
    with secure(authority, "other.test", []) as site:
        resolver["name.test"] = ["127.0.0.1"] * 2
        with pytest.raises(PageError, match="no certificate that can be trusted"):
            fetch(site.page(PAGE), allow_private=True, respect_robots=False)


def test_a_certificate_must_be_from_a_trusted_authority(resolver, monkeypatch):
    with secure(trustme.CA(), "name.test", []) as site:
        resolver["name.test"] = ["127.0.0.1"] * 2
        with pytest.raises(PageError, match="no certificate that can be trusted"):
            fetch(site.page(PAGE), allow_private=True, respect_robots=False)
