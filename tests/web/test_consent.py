"""Opting out by API and by the link of an e-mail, and what follows for messages."""

import pytest

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.message import Channel, Message, MessageType, Priority, Status
from otp_messaging_agent.web import create_app
from tests.until import until

from .conftest import CONFIG


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    config = {**CONFIG, "server": {"public_base_url": "https://otp.example.com"}}
    with IntelligentOTPAgent(config, tmp_path_factory.mktemp("consent") / "data") as made:
        made.start_processing()
        yield made


@pytest.fixture(scope="module")
def client(agent):
    return create_app(agent).test_client()


def link(agent, email, kind=MessageType.MARKETING):
    message = Message(
        "msg_1", kind, Priority.LOW, Status.ACCEPTED, 0.0, 0.0, email=email, content="Sale!"
    )
    url = agent._parts.links.unsubscribe(message, Channel.EMAIL)
    assert url.startswith("https://otp.example.com/unsubscribe?token=")
    return url.removeprefix("https://otp.example.com")


def test_who_opted_out_by_api_gets_no_more_and_the_message_says_why(client):
    asked = {"phone_number": "+44 7700 900401"}
    stands = client.post("/opt-outs", json=asked)
    assert stands.status_code == 200
    assert stands.json["phone_number"] == "+447700900401"
    assert (stands.json["channel"], stands.json["category"], stands.json["source"]) == (
        None,
        None,
        "api",
    )
    answer = client.post("/send-message", json={**asked, "content": "hello"})
    assert (answer.status_code, answer.json["status"]) == (202, "suppressed")
    found = client.get(f"/messages/{answer.json['message_id']}").json
    assert (found["status"], found["error_code"], found["attempts"]) == (
        "suppressed",
        "opted_out",
        [],
    )


def test_a_code_is_sent_all_the_same(client, code_of):
    client.post("/opt-outs", json={"phone_number": "+447700900402"})
    assert client.post("/send-otp", json={"phone_number": "+447700900402"}).status_code == 202
    code = code_of("+447700900402")
    checked = client.post("/verify-otp", json={"phone_number": "+447700900402", "code": code})
    assert checked.json["verified"] is True


def test_an_opt_out_of_one_channel_leaves_the_others(client, agent):
    person = {"phone_number": "+447700900403"}
    client.post("/opt-outs", json={**person, "channel": "sms", "category": "notification"})
    asked = {**person, "content": "hello", "preferred_channel": "SMS"}
    made = client.post("/send-message", json=asked).json["message_id"]
    until(lambda: agent.get_message(made).status == "delivered")
    assert [a.channel for a in agent.get_message(made).attempts] == ["WhatsApp"]
    explained = client.post("/route/explain", json=asked).json
    out = {row["channel"]: row["out"] for row in explained["excluded"]}
    assert out["SMS"] == "the recipient has opted out"


def test_the_same_again_is_the_same_and_can_be_taken_back(client):
    asked = {"email": "Ada@example.com", "category": "marketing"}
    first = client.post("/opt-outs", json=asked).json
    again = client.post("/opt-outs", json={**asked, "email": "ada@example.com"}).json
    assert again["opt_out_id"] == first["opt_out_id"]
    assert client.delete(f"/opt-outs/{first['opt_out_id']}").status_code == 204
    gone = client.delete(f"/opt-outs/{first['opt_out_id']}")
    assert (gone.status_code, gone.json["code"]) == (404, "not_found")


def test_an_idempotency_key_is_kept_to(client):
    key = {"Idempotency-Key": "one"}
    first = client.post("/opt-outs", json={"email": "bob@example.com"}, headers=key)
    assert (
        client.post("/opt-outs", json={"email": "bob@example.com"}, headers=key).json == first.json
    )
    other = client.post("/opt-outs", json={"email": "eve@example.com"}, headers=key)
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, []),
        ({"phone_number": "+447700900404", "email": "a@example.com"}, []),
        ({"phone_number": "12"}, ["phone_number"]),
        ({"email": "nobody"}, ["email"]),
        ({"email": "a@example.com", "channel": "Fax"}, ["channel"]),
        ({"email": "a@example.com", "category": "spam"}, ["category"]),
        ({"email": "a@example.com", "until": "2030"}, ["until"]),
    ],
)
def test_a_wrong_wish_names_its_field(client, body, loc):
    answer = client.post("/opt-outs", json=body)
    assert answer.status_code == 422
    assert [e["loc"] for e in answer.json["errors"]] == [loc]


def test_lists_are_paged(client):
    for i in range(3):
        client.post("/opt-outs", json={"email": f"page{i}@example.com"})
    first = client.get("/opt-outs?limit=2").json
    rest = client.get(f"/opt-outs?limit=2&cursor={first['next_cursor']}").json
    seen = [o["email"] for o in first["opt_outs"] + rest["opt_outs"]]
    assert seen[:3] == ["page2@example.com", "page1@example.com", "page0@example.com"]
    assert client.get("/opt-outs?limit=0").status_code == 422
    for path in ("/inbound", "/opt-outs"):
        assert client.get(f"{path}?cursor=x").status_code == 422, path


def test_to_open_a_link_changes_nothing(client, agent):
    address = link(agent, "carol@example.com")
    page = client.get(address, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert page.status_code == 200
    assert '<form method="post"' in page.text
    assert "marketing" in page.text
    assert "carol" not in page.text
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert not agent._parts.store.opt_outs(limit=9, recipient="carol@example.com")


def test_one_click_ends_messages_of_that_type_by_mail(client, agent):
    address = link(agent, "dora@example.com")
    done = client.post(
        address,
        data="List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
        headers={"Host": "otp.example.com", "X-Forwarded-For": "192.0.2.7"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    assert (done.status_code, "You are unsubscribed" in done.text) == (200, True)
    (stands,) = agent._parts.store.opt_outs(limit=9, recipient="dora@example.com")
    assert (stands.channel, stands.category) == (Channel.EMAIL, MessageType.MARKETING)
    asked = {"email": "dora@example.com", "content": "Sale!", "message_type": "marketing"}
    assert client.post("/send-message", json=asked).json["status"] == "suppressed"
    asked |= {"message_type": "reminder"}
    assert client.post("/send-message", json=asked).json["status"] == "accepted"


@pytest.mark.parametrize("token", ["", "x", "AAAA", "é", "A" * 5000])
def test_a_link_that_is_none_of_ours_says_so(client, token):
    for method in ("GET", "POST"):
        answer = client.open("/unsubscribe", method=method, query_string={"token": token})
        assert (answer.status_code, "does not work" in answer.text) == (422, True)


def test_a_link_holds_no_address_and_cannot_be_changed(client, agent):
    address = link(agent, "frank@example.com")
    assert "frank" not in address
    cut = address[:-8]
    flipped = address[:-10] + ("A" if address[-10] != "A" else "B") + address[-9:]
    for broken in (cut, flipped):
        assert client.post(broken).status_code == 422
    assert not agent._parts.store.opt_outs(limit=9, recipient="frank@example.com")
