"""The document: valid, whole, and made once."""

import json

import pytest
import schemathesis

from otp_messaging_agent.web import document

PROBLEM = "application/problem+json"
CALLS = {
    ("post", "/send-otp"),
    ("post", "/verify-otp"),
    ("post", "/send-message"),
    ("post", "/send-bulk"),
    ("get", "/messages"),
    ("post", "/messages/search"),
    ("get", "/messages/{message_id}"),
    ("post", "/messages/{message_id}/cancel"),
    ("get", "/batches/{batch_id}"),
    ("get", "/verifications/{verification_id}"),
    ("post", "/verifications/{verification_id}/cancel"),
    ("post", "/route/explain"),
    ("get", "/routing"),
    ("get", "/metrics"),
    ("get", "/opt-outs"),
    ("post", "/opt-outs"),
    ("delete", "/opt-outs/{opt_out_id}"),
    ("get", "/inbound"),
    ("put", "/sandbox/outages/{provider}"),
    ("delete", "/sandbox/outages/{provider}"),
    ("get", "/sandbox/outages"),
    ("get", "/unsubscribe"),
    ("post", "/unsubscribe"),
    ("get", "/webhooks/{provider}/status"),
    ("post", "/webhooks/{provider}/status"),
    ("get", "/webhooks/{provider}/inbound"),
    ("post", "/webhooks/{provider}/inbound"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/sandbox"),
    ("get", "/docs"),
    ("get", "/openapi.json"),
}


OTHERS = {"/unsubscribe", "/webhooks/{provider}/status", "/webhooks/{provider}/inbound"}
"""What vendors and recipients call: open, by a signature or by the link's own secret."""


@pytest.fixture
def told(client) -> dict:
    answer = client.get("/openapi.json")
    assert answer.mimetype == "application/json"
    return answer.json


def _operations(told):
    for path, item in told["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_the_document_is_valid(app):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    schema.validate()
    assert schema.raw_schema["openapi"].startswith("3.1")


def test_every_call_is_in_it(told):
    assert {(method, path) for method, path, _ in _operations(told)} == CALLS


def test_every_reference_leads_somewhere(told):
    text = json.dumps(told)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(told["components"]["schemas"])


def test_every_operation_says_what_it_does(told):
    ids = []
    for method, path, operation in _operations(told):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
        ids.append(operation["operationId"])
    assert len(ids) == len(set(ids))


def test_every_refusal_is_a_problem(told):
    for method, path, operation in _operations(told):
        for status, answer in operation["responses"].items():
            if status >= "4" and path != "/unsubscribe":  # for people: a page says it
                schema = answer["content"][PROBLEM]["schema"]
                assert list(answer["content"]) == [PROBLEM], (method, path, status)
                assert schema == {"$ref": "#/components/schemas/Problem"}
            if status in ("429", "503"):
                assert "Retry-After" in answer["headers"]


def test_every_post_takes_an_idempotency_key(told):
    for method, path, operation in _operations(told):
        if path in OTHERS:
            continue
        names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "header"]
        assert names == (["Idempotency-Key"] if method == "post" else []), path


def test_who_may_call_is_told(told):
    schemes = told["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["apiKey"]["name"] == "X-API-Key"
    assert told["security"] == [{}, {"bearer": []}, {"apiKey": []}]
    open_ = {path for _, path, op in _operations(told) if op.get("security") == []}
    assert open_ == {"/health", "/ready", *OTHERS}


def test_the_rows_of_a_bulk_are_told_though_the_agent_reads_them(told):
    rows = told["components"]["schemas"]["BulkRequest"]["properties"]["messages"]
    assert rows["items"] == {"$ref": "#/components/schemas/MessageRequest"}
    assert rows["maxItems"] == document.MAX_ROWS


def test_the_examples_are_accepted(told, client):
    for method, path, operation in _operations(told):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {}).items():
            answer = client.open(path, method=method, json=example["value"])
            assert answer.status_code < 300, (path, name, answer.text)


def test_it_is_made_once(client, app, monkeypatch):
    first = client.get("/openapi.json").data
    monkeypatch.setattr(document, "models_json_schema", None)
    assert client.get("/openapi.json").data == first
