"""Text of any kind goes into an e-mail and comes out of it as it was, and as nothing else."""

import re
from email import message_from_bytes, policy
from email.header import decode_header
from email.utils import parseaddr
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otp_messaging_agent.safety import letter

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=300)
NASTY = "=?utf-8?q?hi=0D=0ABcc=3A_eve=40example.com?="


def made(subject="Hello", text="Text", **headers):
    head = {"From": letter.named("", "a@b.example"), "Subject": letter.words(subject), **headers}
    return letter.render(head, subject, text)


def parsed(raw):
    return message_from_bytes(raw, policy=policy.default)


def decoded(words):
    """Read a header as programs older than `policy.default` do."""
    parts = decode_header(words)
    return "".join(p if isinstance(p, str) else p.decode(c or "ascii") for p, c in parts)


class Page(HTMLParser):
    """What a reader sees of a page: its text, and where its links lead."""

    def __init__(self, html):
        super().__init__()
        self.text, self.links, self.tags = "", [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        self.text += data


def page(text):
    return Page(parsed(made(text=text)).get_body(("html",)).get_content())


@given(ANYTHING)
@example(NASTY)
@example("a\r\nBcc: eve@example.com")
@example("one  two\u00a0three " + "ä" * 200)
@example("." * 200 + " " + "x" * 200)
def test_a_subject_reads_as_it_was_and_adds_no_header(text):
    line = letter.one_line(text)
    raw = made(line)
    message = parsed(raw)
    assert set(message) == {"From", "Subject", "Content-Type", "MIME-Version"}
    assert message.keys().count("Subject") == 1
    assert not re.search(r"[\0-\x1f\x7f\ud800-\udfff]", line)
    value = re.search(rb"^Subject: (.*?)\r\n(?![ \t])", raw, re.DOTALL | re.MULTILINE)[1]
    assert decoded(value.decode().replace("\r\n", "")) == line
    assert raw.isascii()


@given(ANYTHING)
@example(NASTY)
@example('Ada "the Countess" Lovelace \\')
@example("Ädä, Inc. <x@y.example>")
def test_a_name_stays_a_name(text):
    name = letter.one_line(text)
    to = letter.named(name, "ada@example.com")
    assert parsed(f"To: {to}\r\n\r\n".encode())["To"].addresses[0].addr_spec == "ada@example.com"
    said, address = parseaddr(to.replace("\r\n", ""))
    assert (decoded(said), address) == (name, "ada@example.com")


@given(ANYTHING)
@example(".\r\n.\r\nMAIL FROM:<eve@example.com>")
@example("From the start")
@example("x" * 5000 + "\nä")
def test_a_text_reads_as_it_was(text):
    raw = made(text=text)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert raw.isascii()
    shown = parsed(raw).get_body(("plain",)).get_content()
    assert lines(shown) == lines(letter._CONTROL.sub(" ", text))


def lines(text):
    return re.split("\r\n|\r|\n", re.sub("(\r\n|\r|\n)\\Z", "", text))


@given(ANYTHING)
@example("<script>alert(1)</script> & </p> &amp; \"'")
@example("https://a.example/?q=<b>")
def test_no_text_becomes_markup(text):
    shown = page(text)
    assert shown.tags <= {"html", "head", "meta", "title", "body", "p", "a", "br"}
    assert shown.text.removeprefix("\n").split()[1:] == letter._CONTROL.sub(" ", text).split()


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://example.com/a?b=1&c=2.", ["https://example.com/a?b=1&c=2"]),
        ("(http://a.example/x) and HTTPS://B.EXAMPLE!", ["http://a.example/x"]),
        ("https://a.example https://b.example", ["https://a.example", "https://b.example"]),
        ('https://a.example/"onclick="x', ["https://a.example/"]),
        ("javascript:alert(1) ftp://a.example https://", []),
    ],
)
def test_urls_are_links_and_nothing_else_is(text, links):
    assert page(text).links == links


def test_a_page_leaves_colours_to_the_reader_and_keeps_lines():
    html = parsed(made(text="one\ntwo")).get_body(("html",)).get_content()
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "background" not in html
    assert "color:" not in html
    assert "one<br>\r\ntwo" in html


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("ada@example.com", ("", "ada@example.com")),
        ("Ada <ada@EXAMPLE.com>", ("Ada", "ada@example.com")),
        ('"Lovelace, Ada" <ada@example.com>', ("Lovelace, Ada", "ada@example.com")),
        ("Ädä <ada@bücher.example>", ("Ädä", "ada@xn--bcher-kva.example")),
        ("<ada@example.com>", ("", "ada@example.com")),
    ],
)
def test_a_mailbox_is_taken_apart(text, taken):
    assert letter.mailbox(text) == taken


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada",
        "Ada <ada>",
        "Ada <ada@example.com",
        "A <a@b.example> <c@d.example>x",
        "Ada\r\nBcc: eve@example.com <ada@example.com>",
        "Ada <ada@example.com>\n",
        "A\0 <a@b.example>",
        "a@b.example, c@d.example",
    ],
)
def test_what_is_no_mailbox_is_refused(text):
    with pytest.raises(ValueError, match="must be"):
        letter.mailbox(text)
