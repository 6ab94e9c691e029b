"""The pages in a real browser: live, readable at any width, and nothing on them from elsewhere."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from otp_messaging_agent import Channel, MessageRequest
from otp_messaging_agent.providers import sandbox
from otp_messaging_agent.view import InboxPage
from tests.browser import path
from tests.until import until

from .conftest import Served

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            made = playwright.chromium.launch(
                executable_path=path(), args=["--no-sandbox", "--disable-gpu"]
            )
        except Error as e:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no browser: {e.message.splitlines()[0]}")
        yield made
        made.close()


class Watched:
    """A page, and everything it complained about or asked for."""

    def __init__(self, browser: Browser, url: str, **options) -> None:
        self.page: Page = browser.new_context(**options).new_page()
        self.said: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.said.append(str(e)))
        self.page.on("request", lambda r: self.hosts.add(urlsplit(r.url).netloc))
        self.page.on("requestfailed", lambda r: self.said.append(f"failed: {r.url}"))
        self._own = urlsplit(url).netloc

    def assert_clean(self) -> None:
        assert self.said == []
        assert self.hosts == {self._own}


@pytest.fixture
def open_page(browser, served):
    opened: list[Watched] = []

    def open_(path: str, **options) -> Watched:
        watched = Watched(browser, served.url, **options)
        opened.append(watched)
        watched.page.goto(served.url + path)
        return watched

    yield open_
    for watched in opened:
        watched.page.context.close()


def send(served: Served, count: int = 1, **fields) -> None:
    """Send a message and wait until the sandbox has it."""
    body = {"phone_number": "+447700900001", "preferred_channel": "SMS", **fields}
    for _ in range(count):
        if "content" in body:
            served.agent.send_message(MessageRequest(**body))
        else:
            served.agent.send_otp(**body)
    until(lambda: served.agent.inbox().messages)


def test_an_empty_inbox_tells_how_to_send(open_page, served):
    watched = open_page("/sandbox")
    page = watched.page
    expect(page.get_by_text("No messages yet")).to_be_visible()
    expect(page.locator("#curl")).to_contain_text(f"curl -X POST {served.url}/send-otp")
    expect(page.locator("#live-text")).to_have_text("Live")
    watched.assert_clean()


def test_a_message_appears_without_a_reload(open_page, served):
    watched = open_page("/sandbox")
    page = watched.page
    expect(page.get_by_text("No messages yet")).to_be_visible()
    page.evaluate("window.loadedOnce = true")
    send(served)
    card = page.locator(".card")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("+447700900001")
    expect(card).to_have_attribute("data-channel", "SMS")
    code = served.agent.inbox().messages[0].content
    expect(card.locator(".code")).to_have_text(
        "".join(c for c in code.split(".")[0] if c.isdigit())
    )
    expect(page.get_by_text("No messages yet")).to_be_hidden()
    assert page.evaluate("window.loadedOnce") is True
    watched.assert_clean()


def test_the_newest_is_first_and_stays_in_place(open_page, served):
    send(served, content="first")
    watched = open_page("/sandbox")
    said = watched.page.locator(".said")
    expect(said).to_have_text(["first"])
    for text in ("second", "third"):
        send(served, content=text)
        expect(said.first).to_have_text(text)
    expect(said).to_have_text(["third", "second", "first"])
    watched.assert_clean()


def test_the_code_is_copied(open_page, served):
    watched = open_page("/sandbox", permissions=["clipboard-read", "clipboard-write"])
    send(served)
    watched.page.get_by_role("button", name="Copy code").click()
    expect(watched.page.get_by_role("button", name="Copied")).to_be_visible()
    copied = watched.page.evaluate("navigator.clipboard.readText()")
    assert copied.isdigit()
    assert copied in served.agent.inbox().messages[0].content


def test_a_spoken_code_is_copied_as_digits(open_page, served, monkeypatch):
    spoken = "Your code is 4, 8, 1, 5, 1, 6. Again: 4, 8, 1, 5, 1, 6."
    send(served, content="x")
    entry = (
        served.agent.inbox()
        .messages[0]
        .model_copy(update={"content": spoken, "channel": Channel.CALL})
    )
    monkeypatch.setattr(served.agent, "inbox", lambda: InboxPage(messages=[entry]))
    watched = open_page("/sandbox", permissions=["clipboard-read", "clipboard-write"])
    expect(watched.page.locator(".card")).to_contain_text("What is said")
    expect(watched.page.locator(".code")).to_have_text("4 8 1 5 1 6")
    watched.page.get_by_role("button", name="Copy code").click()
    expect(watched.page.get_by_role("button", name="Copied")).to_be_visible()
    assert watched.page.evaluate("navigator.clipboard.readText()") == "481516"


@pytest.mark.parametrize("text", ["Order #4711 has shipped", "Call +447700900002 now", "£1500.00"])
def test_what_is_no_code_has_no_button(open_page, served, text):
    send(served, content=text)
    watched = open_page("/sandbox")
    expect(watched.page.locator(".said")).to_have_text(text)
    expect(watched.page.get_by_role("button", name="Copy code")).to_have_count(0)


def test_a_message_is_text_and_never_markup(open_page, served):
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    send(served, content=evil)
    send(
        served,
        email="ada@example.com",
        phone_number=None,
        subject=evil,
        content="plain",
        preferred_channel="Email",
    )
    watched = open_page("/sandbox")
    expect(watched.page.locator(".subject")).to_have_text(evil)
    expect(watched.page.get_by_text(evil).last).to_be_visible()
    assert "owned" not in watched.page.title()
    watched.assert_clean()


def test_the_list_is_searched_and_filtered_by_keyboard(open_page, served):
    send(served, content="parcel")
    send(served, content="bill", phone_number="+447700900002", preferred_channel="WhatsApp")
    watched = open_page("/sandbox")
    page = watched.page
    cards = page.locator(".card:visible")
    expect(cards).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("PARC")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("parcel")
    page.keyboard.type("xyz")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Show everything").press("Enter")
    expect(cards).to_have_count(2)
    page.get_by_role("button", name="WhatsApp 1").press("Space")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("bill")
    page.get_by_role("button", name="All 2").press("Enter")
    page.get_by_role("button", name="+447700900001").press("Enter")
    expect(cards).to_contain_text(["parcel"])
    assert "4477" not in page.url
    watched.assert_clean()


def test_it_says_when_it_lost_the_service_and_comes_back(open_page, served):
    watched = open_page("/sandbox")
    page = watched.page
    expect(page.locator("#live-text")).to_have_text("Live")
    page.route("**/sandbox", lambda route: route.abort())
    expect(page.locator("#live-text")).to_have_text("Reconnecting", timeout=10_000)
    page.unroute("**/sandbox")
    expect(page.locator("#live-text")).to_have_text("Live", timeout=20_000)


def test_it_asks_nothing_while_hidden(open_page, served):
    watched = open_page("/sandbox")
    page = watched.page
    expect(page.locator("#live-text")).to_have_text("Live")
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(page.locator("#live-text")).to_have_text("Paused")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.wait_for_timeout(2600)
    assert asked == []
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: false, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(page.locator("#live-text")).to_have_text("Live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_cut_off(open_page, served, width, scheme):
    send(served, content="x" * 200, reference="wide")
    watched = open_page("/sandbox", viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = watched.page
    expect(page.locator(".card")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".card").bounding_box()["width"] > 250
    watched.assert_clean()


def test_the_magic_numbers_it_names_exist(client):
    page = client.get("/sandbox").text
    named = {f"+1500555{rest[:4]}" for rest in page.split("+1500555")[1:]}
    assert named
    assert named <= set(sandbox.MAGIC)


def test_the_docs_work_offline_and_can_be_tried(open_page, served):
    watched = open_page("/docs")
    page = watched.page
    operation = page.locator("#operations-Service-health")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text(
        "200"
    )
    watched.assert_clean()
