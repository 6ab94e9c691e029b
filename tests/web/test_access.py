"""Who may call: this machine, from its own pages, and nobody passed on."""

import pytest

from otp_messaging_agent.web import access

GUARDED = "/metrics"


def test_every_route_has_a_rule(app):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints == set(access.RULES)


def test_what_is_open_to_everybody(app):
    assert {e for e in access.RULES if access.is_open(e)} == {
        "service.health",
        "service.ready",
        "consent.unsubscribe_page",
        "consent.unsubscribe",
        "webhooks.status",
        "webhooks.inbound",
        "static",
    }
    assert not access.is_open(None)
    assert not access.is_open("send.unheard_of")


def test_only_who_may_all_makes_the_sandbox_fail():
    rules = {e: rule for e, rule in access.RULES.items() if e.startswith("outages.")}
    assert rules == {
        "outages.set_outage": access.Rule.ADMIN,
        "outages.end_outage": access.Rule.ADMIN,
        "outages.list_outages": access.Rule.READ,
    }


def test_a_route_without_a_rule_is_refused(client, monkeypatch):
    rules = {k: v for k, v in access.RULES.items() if k != "service.metrics"}
    monkeypatch.setattr(access, "RULES", rules)
    refused = client.get(GUARDED)
    assert (refused.status_code, refused.json["code"]) == (403, "no_rule")


def _every_call(app):
    for rule in app.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<id:{name}>", "x").replace(f"<path:{name}>", "x")
            yield rule.endpoint, method, path


OPEN = {"consent.unsubscribe_page": 422, "consent.unsubscribe": 422, "static": 404}
OPEN |= {"webhooks.status": 404, "webhooks.inbound": 404}
"""What is open and was asked for something that does not exist."""


def test_a_stranger_gets_nothing_but_what_is_open(app, client):
    for endpoint, method, path in _every_call(app):
        answer = client.open(path, method=method, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
        if access.is_open(endpoint):
            assert answer.status_code == OPEN.get(endpoint, 200), endpoint
        else:
            assert answer.status_code == 401, endpoint
            assert answer.json["code"] == "unauthorized"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-By"],
)
def test_what_a_proxy_passed_on_is_refused(client, header):
    refused = client.get(GUARDED, headers={header: "192.0.2.7"})
    assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")
    assert client.get("/health", headers={header: "192.0.2.7"}).status_code == 200


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_that_does_not_exist_is_refused(client, header):
    refused = client.get(GUARDED, headers={header: "Bearer nonsense"})
    assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_which_addresses_are_this_machine(client, address, own):
    answer = client.get(GUARDED, environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == (200 if own else 401)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("LOCALHOST:5000", True),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("attacker.example", False),
        ("127.0.0.1.attacker.example:5000", False),
        ("localhost.attacker.example", False),
        ("attacker.example@127.0.0.1", False),
        ("127.0.0.1/x", False),
        ("0.0.0.0:5000", False),
        ("[::1", False),
        ("localhost:x", False),
        ("", False),
    ],
)
def test_a_name_that_others_can_point_here_is_refused(client, host, own):
    answer = client.get(GUARDED, headers={"Host": host})
    assert answer.status_code == (200 if own else 403)
    if not own:
        assert answer.json["code"] == "host_not_allowed"


OWN = {"Host": "localhost:5000", "Origin": "http://localhost:5000"}
NAVIGATION = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        ("POST", OWN, True),
        ("POST", {**OWN, "Sec-Fetch-Site": "same-origin"}, True),
        ("POST", {}, True),  # no browser
        ("POST", {"Origin": "https://attacker.example"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {**OWN, "Origin": "http://localhost:3000"}, False),
        ("POST", {**OWN, "Origin": "https://localhost:5000"}, False),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, False),
        ("POST", NAVIGATION, False),  # a form of another site
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, False),
        ("GET", {**NAVIGATION, "Sec-Fetch-Dest": "iframe"}, False),
        ("GET", NAVIGATION, True),  # a link somebody followed
    ],
)
def test_pages_of_other_sites_may_only_link_here(client, method, headers, passes):
    path = "/messages/search" if method == "POST" else "/sandbox"
    body = {"json": {}} if method == "POST" else {}
    answer = client.open(path, method=method, headers=headers, **body)
    assert answer.status_code == (200 if passes else 403)
    if not passes:
        assert answer.json["code"] == "cross_site"


def test_an_address_that_does_not_exist_is_guarded_too(client):
    stranger = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/nothing").status_code == 404
    assert client.get("/nothing", environ_overrides=stranger).status_code == 401
