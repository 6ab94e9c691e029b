"""Outgoing requests against peers that behave as badly as peers do."""

import select
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from otp_messaging_agent.safety import outbound
from otp_messaging_agent.safety.outbound import Outbound, OutboundError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LIMIT = 0.4
GENEROUS = LIMIT + 2  # what is tested would otherwise last 5 s or more


class Peer:
    """A server whose every connection is handled by *handle*, one thread each."""

    def __init__(self, handle, tls=None):
        self.handle, self.tls = handle, tls
        self.connections, self.seen, self.errors = 0, [], []
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while not self.over.is_set():
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            with self.tls.wrap_socket(conn, server_side=True) if self.tls else conn as c:
                self.handle(self, c)
        except OSError as e:
            self.errors.append(e)

    def request(self, conn):
        """Read one request, b"" where the client hung up."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = conn.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(h[15:]) for h in head.split(b"\r\n") if h.startswith(b"Content-L")), 0)
        while len(body) < length:
            body += conn.recv(65536)
        self.seen.append(head + b"\r\n\r\n" + body)
        return self.seen[-1]


def answering(*answers, then_close=False):
    """Answer the requests of each connection with *answers* in turn, the last for all further."""

    def handle(peer, conn):
        turn = 0
        while peer.request(conn):
            conn.sendall(answers[min(turn, len(answers) - 1)])
            turn += 1
            if then_close and turn == len(answers):
                return

    return handle


def dripping(answer, whole=0):
    def handle(peer, conn):
        peer.request(conn)
        conn.sendall(answer[:whole])
        for byte in answer[whole:]:
            conn.sendall(bytes([byte]))
            if peer.over.wait(0.05):
                return

    return handle


def silent(peer, conn):
    peer.over.wait(30)


@pytest.fixture
def client():
    client = Outbound()
    yield client
    client.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "peer.pem"
    path.write_bytes(pem + built.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.fixture
def tls(certificate):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    return server


@pytest.fixture
def trusting(certificate):
    client = Outbound(tls=ssl.create_default_context(cafile=certificate))
    yield client
    client.close()


def get(client, url, timeout=5.0, **more):
    return client.request("GET", url, timeout=timeout, headers={}, **more)


def failure(client, url, timeout=5.0, **more):
    """Return the error of a request that must fail, and the seconds it took."""
    begun = time.monotonic()
    with pytest.raises(OutboundError) as caught:
        get(client, url, timeout, **more)
    return caught.value, time.monotonic() - begun


def test_a_request_arrives_as_given_and_its_answer_as_sent(client):
    answer = b"HTTP/1.1 429 Slow\r\nretry-after: 7\r\nContent-Length: 2\r\n\r\nno"
    with Peer(answering(answer)) as peer:
        got = client.request(
            "POST", f"{peer.url}/a/b?c=d", timeout=5, headers={"X-Y": "z"}, body=b"\xff"
        )
    assert (got.status, got.headers["Retry-After"], got.body) == (429, "7", b"no")
    head = peer.seen[0].decode("latin-1").split("\r\n")
    assert head[0] == "POST /a/b?c=d HTTP/1.1"
    assert {f"Host: {peer.url[7:]}", "X-Y: z", "Content-Length: 1"} <= set(head)


def test_connections_are_kept_and_each_request_has_its_own_deadline(client):
    def handle(peer, conn):
        peer.request(conn)
        conn.sendall(OK)
        peer.request(conn)
        silent(peer, conn)

    with Peer(handle) as peer:
        assert get(client, peer.url, 30.0).body == b"hi"
        error, took = failure(client, peer.url, LIMIT)
        assert peer.connections == 1
    assert (error.code, error.written) == ("timeout", True)
    assert LIMIT / 2 < took < GENEROUS


LONG = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99 + b"\r\nContent-Length: 99\r\n\r\n" + b"y" * 99


@pytest.mark.parametrize("whole", [0, 20, len(LONG) - 99], ids=["status", "headers", "body"])
def test_a_dripped_answer_ends_at_the_deadline(client, whole):
    with Peer(dripping(LONG, whole)) as peer:
        error, took = failure(client, peer.url, LIMIT)
    assert (error.code, error.written) == ("timeout", True)
    assert took < GENEROUS


def test_a_peer_that_never_stops_its_informational_answers_is_left(client):
    def handle(peer, conn):
        peer.request(conn)
        while not peer.over.is_set():
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with Peer(handle) as peer:
        error, took = failure(client, peer.url, LIMIT)
    assert error.code == "timeout"
    assert took < GENEROUS


@pytest.mark.parametrize("secure", [False, True])
def test_a_peer_that_does_not_read_is_left_at_the_deadline(client, trusting, tls, secure):
    def handle(peer, conn):
        peer.request(conn)
        conn.sendall(OK)
        while not peer.over.wait(0.05):  # a little at a time, so that no single write times out
            conn.recv(1024)

    client = trusting if secure else client
    with Peer(handle, tls if secure else None) as peer:
        get(client, peer.url, 30.0)
        error, took = failure(client, peer.url, LIMIT, body=b"x" * 30_000_000)
        assert peer.connections == 1
    assert (error.code, error.written) == ("timeout", True)
    assert took < GENEROUS


def test_who_is_given_up_is_hung_up_on(client):
    hung_up = threading.Event()

    def handle(peer, conn):
        peer.request(conn)
        if conn.recv(1) == b"":
            hung_up.set()

    with Peer(handle) as peer:
        failure(client, peer.url, LIMIT)
        assert hung_up.wait(5)


def test_nothing_is_written_where_no_one_listens(client):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    error, _ = failure(client, f"http://127.0.0.1:{port}/")
    assert (error.code, error.written, error.permanent) == ("unreachable", False, False)


def test_connecting_ends_at_the_deadline(client):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:  # they fill the queue that nobody empties; the next finds no place
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        error, took = failure(client, f"http://127.0.0.1:{full.getsockname()[1]}/", LIMIT)
        for s in waiting:
            s.close()
    assert (error.code, error.written) == ("unreachable", False)
    assert took < GENEROUS


def test_the_next_address_is_tried_within_the_same_deadline(client, monkeypatch):
    with Peer(answering(OK)) as peer, socket.create_server(("127.0.0.1", 0)) as gone:
        there = ("127.0.0.1", int(peer.url.rsplit(":")[-1]))
        nowhere = gone.getsockname()
        gone.close()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", a) for a in (nowhere, there)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert get(client, "http://a.example/").body == b"hi"


def test_a_name_that_is_unknown_or_never_found_is_unreachable_in_time(client, monkeypatch):
    release = threading.Event()

    def unknown(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure(client, "http://a.example/")[0].code == "unreachable"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and [])
    error, took = failure(client, "http://a.example/", LIMIT)
    release.set()
    assert (error.code, error.written) == ("unreachable", False)
    assert took < GENEROUS
    assert failure(client, "http://a.example/")[0].code == "unreachable"  # no address at all


def test_tls_is_verified_and_its_connections_are_kept(client, trusting, tls):
    with Peer(answering(OK), tls) as peer:
        error, _ = failure(client, peer.url)
        assert (error.code, error.written) == ("unreachable", False)
        assert error.detail == "SSLCertVerificationError"
        assert peer.connections == 1
        assert [get(trusting, peer.url).body for _ in range(3)] == [b"hi"] * 3
        assert peer.connections == 2


def test_over_tls_a_dripped_answer_ends_at_the_deadline(trusting, tls):
    with Peer(dripping(LONG), tls) as peer:
        error, took = failure(trusting, peer.url, LIMIT)
    assert (error.code, error.written) == ("timeout", True)
    assert took < GENEROUS


def test_a_handshake_that_stalls_is_no_written_request(trusting, monkeypatch):
    dial = outbound.dial

    def dial_slowly(host, port, deadline):
        sock = dial(host, port, deadline)
        sock.settimeout(30)  # as if most of the time had gone by since it was set
        return sock

    monkeypatch.setattr(outbound, "dial", dial_slowly)
    with Peer(silent) as peer:
        error, took = failure(trusting, peer.url.replace("http:", "https:"), LIMIT)
    assert (error.code, error.written) == ("unreachable", False)
    assert took < GENEROUS


def test_a_connection_closed_at_rest_is_not_used(client):
    with Peer(answering(OK, then_close=True)) as peer:
        for _ in range(3):
            assert get(client, peer.url).body == b"hi"
            resting = client._resting[peer.url]
            assert select.select(resting, [], [], 5)[0] == resting  # its end has arrived
        assert peer.connections == 3


def test_a_connection_that_rested_long_is_not_used(client, monkeypatch):
    with Peer(answering(OK)) as peer:
        get(client, peer.url)
        monkeypatch.setattr(outbound, "IDLE_FOR", 0.0)
        get(client, peer.url)
        assert peer.connections == 2


@pytest.mark.parametrize(
    ("answer", "body", "connections"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi", 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
        (b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", b"", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", 2),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end", 2),
    ],
    ids=["continue", "chunked", "empty", "redirect", "close", "1.0", "no length"],
)
def test_every_form_of_answer_is_read(client, answer, body, connections):
    with Peer(answering(answer, then_close=connections == 2)) as peer:
        assert get(client, peer.url).body == body
        assert get(client, peer.url).body == body
        assert (peer.connections, len(peer.seen)) == (connections, 2)


BIG = outbound.MAX_ANSWER + 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection_cut"),
        (OK[:9], "garbled_answer"),
        (OK[:17], "connection_cut"),
        (OK[:30], "connection_cut"),
        (OK[:-1], "connection_cut"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi", "connection_cut"),
        (b"SMTP ready\r\n\r\n", "garbled_answer"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "garbled_answer"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "garbled_answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "garbled_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG, "garbled_answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * BIG, "garbled_answer"),
    ],
    ids=[
        "none",
        "half",
        "line",
        "head",
        "short",
        "chunk",
        "other",
        "status",
        "early",
        "many",
        "long",
        "endless",
    ],
)
def test_what_is_no_answer_says_that_the_request_was_written(client, answer, code):
    with Peer(answering(answer, then_close=True)) as peer:
        error, _ = failure(client, peer.url)
        assert (error.code, error.written) == (code, True)
        assert not client._resting[peer.url]
        assert len(peer.seen) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", {}),
        ("/a\nb?\n", {}),
        ("/?é", {}),
        ("/?a#f", {}),
        ("/", {"A": "b\r\nC: d"}),
        ("/", {"A\n": ""}),
    ],
)
def test_what_would_break_the_request_is_refused_before_a_connection(client, path, headers):
    with Peer(answering(OK)) as peer:
        with pytest.raises(ValueError, match=r"must|may"):
            client.request("GET", f"{peer.url}{path}", timeout=5, headers=headers)
        assert peer.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://h/", "http://u:secret@h/", "http://", "/only", "http://h:0/"]
)
def test_only_urls_of_the_web_without_a_password_are_taken(client, url):
    with pytest.raises(ValueError, match="must be an http") as caught:
        get(client, url)
    assert "secret" not in str(caught.value)


def test_proxies_of_the_environment_are_not_asked(client, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Peer(answering(OK)) as peer:
        assert get(client, peer.url).status == 200


def test_many_threads_get_their_own_answers_and_the_pool_stays_in_its_bound():
    client = Outbound(pool_size=4)

    def echo(peer, conn):
        while request := peer.request(conn):
            path = request.split(b" ")[1]
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    with Peer(echo) as peer, ThreadPoolExecutor(16) as threads:
        paths = [f"/{i}" for i in range(400)]
        answers = list(threads.map(lambda p: get(client, peer.url + p).body.decode(), paths))
        assert answers == paths
        assert 0 < len(client._resting[peer.url]) <= 16
    client.close()


def test_no_more_connections_rest_than_the_pool_is_large():
    client = Outbound(pool_size=1)
    both = threading.Barrier(2)

    def together(peer, conn):
        while peer.request(conn):
            both.wait(5)
            conn.sendall(OK)

    with Peer(together) as peer, ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            list(threads.map(lambda _: get(client, peer.url), range(2)))
        assert len(client._resting[peer.url]) == 1
        assert peer.connections == 4
    client.close()


def test_closing_closes_what_rests_and_keeps_nothing_after(client):
    with Peer(answering(OK)) as peer:
        get(client, peer.url)
        (resting,) = client._resting[peer.url]
        client.close()
        assert resting.fileno() == -1
        get(client, peer.url)
        assert not client._resting[peer.url]
