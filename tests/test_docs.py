"""What the documents promise can be done: commands exist, samples run, keys are all described."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from otp_messaging_agent import Channel, IntelligentOTPAgent, answer, plugins, routing
from otp_messaging_agent.config import OURS, Config
from otp_messaging_agent.config.routing import TypeRouting
from otp_messaging_agent.config.sending import ChannelConfig
from otp_messaging_agent.flow import configured, route, score
from otp_messaging_agent.inbox import OutageMode
from otp_messaging_agent.outage import OutageRequest
from otp_messaging_agent.providers import sandbox

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_command_and_link_exists(path):
    text = path.read_text()
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)", text)) - {"test"} <= TARGETS
    for script in re.findall(r"python ([\w/]+\.py)", text):
        assert (ROOT / script).exists(), script
    for module in re.findall(r"python -m ((?:tests|benchmarks|otp_messaging_agent)[\w.]*)", text):
        path_of = module.replace(".", "/")
        runs = (ROOT / f"{path_of}.py", ROOT / path_of / "__main__.py")
        assert any(p.exists() for p in runs), module
    for link in re.findall(r"\]\((?!http|#)([^)#]+)\)", text):
        assert (path.parent / link).exists(), link


def test_the_map_names_only_what_exists():
    drawing = re.search(
        r"## The map of the code\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    tree = drawing.group(1)
    for name in re.findall(r"^\s*((?:[\w/]+(?:\.py|/)\s?)+)", tree, re.MULTILINE):
        for part in name.split():
            found = list(ROOT.glob(part)) + list(ROOT.glob(f"otp_messaging_agent/**/{part}"))
            assert found, part


def test_the_python_sample_of_the_readme_runs(tmp_path):
    [sample] = blocks((ROOT / "README.md").read_text(), "python")
    done = subprocess.run(
        [sys.executable, "-c", sample],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with IntelligentOTPAgent(data_dir=tmp_path / "data") as agent:
        by_status = agent.metrics()["database_stats"]["by_status"]
    assert sum(by_status.values()) == 2


def test_the_config_sample_of_the_readme_loads(monkeypatch):
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "a" * 32)
    [sample] = blocks((ROOT / "README.md").read_text(), "json")
    assert IntelligentOTPAgent(json.loads(sample)).config.channels


def keys(model, prefix=""):
    for name, field in model.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        if inner is None:
            yield prefix + name
        else:
            yield from keys(field.annotation, f"{prefix}{name}.")


def test_every_key_of_the_configuration_is_described():
    text = (ROOT / "docs/configuration.md").read_text()
    missing = [key for key in keys(Config) if f"`{key}`" not in text]
    assert not missing


def test_every_key_of_a_channel_is_described():
    text = (ROOT / "docs/configuration.md").read_text()
    assert not [key for key in keys(ChannelConfig) if f"`{key}`" not in text]


@pytest.mark.parametrize("key", sorted({*OURS, *TypeRouting.model_fields} - {"provider"}))
def test_every_key_of_an_entry_and_of_a_message_type_has_its_row(key):
    assert f"\n| `{key}` | " in (ROOT / "docs/configuration.md").read_text()


@pytest.mark.parametrize("name", plugins.names("providers"))
def test_every_setting_of_a_provider_is_described(name):
    module = plugins.load("providers", name)
    text = (ROOT / "docs/configuration.md").read_text()
    assert f"`{name}`" in text
    if name == "http":
        text = (ROOT / "docs/ADDING_A_PROVIDER.md").read_text()
    elif name != "sandbox":
        text = re.search(rf"### {name}\n(.*?)\n##", text, re.DOTALL).group(1)
    fields = module.Settings.model_fields.items()
    settings = {field.alias or key for key, field in fields}
    assert not [s for s in settings if not re.search(rf"`{s}[`.]", text)]


def test_the_config_samples_of_the_configuration_load(monkeypatch):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    samples = blocks((ROOT / "docs/configuration.md").read_text(), "json")
    for name in re.findall(r"\$\{(\w+)\}", "".join(samples)):
        monkeypatch.setenv(name, key.decode() if name.endswith("PRIVATE_KEY") else "AC0")
    configs = [IntelligentOTPAgent(json.loads(sample)).config for sample in samples]
    assert any(len(c.provider_settings) > 1 for c in configs[0].channels.values())


def test_the_config_sample_of_an_outage_loads_and_its_provider_can_be_made_to_fail(tmp_path):
    [sample] = blocks((ROOT / "docs/delivery.md").read_text(), "json")
    with IntelligentOTPAgent(json.loads(sample), tmp_path / "data") as agent:
        told = agent.set_outage("main", OutageRequest(mode="reject"))
        assert agent.outages().outages == [told]


def test_every_field_and_mode_of_an_outage_is_described():
    text = (ROOT / "docs/delivery.md").read_text()
    assert not [f for f in OutageRequest.model_fields if f"| `{f}` |" not in text]
    assert not [m for m in OutageMode if f"`{m}`:" not in text]


@pytest.mark.parametrize("channel", list(Channel), ids=str)
def test_the_times_of_receipts_are_those_of_the_channel(channel):
    medium = plugins.load("channels", channel.value.lower()).MEDIUM
    after = "never" if medium.fallback_after is None else f"{medium.fallback_after} s"
    row = f"| {channel.value} | {after} | {medium.receipt_within} s |"
    assert row in (ROOT / "docs/delivery.md").read_text()


def test_every_magic_recipient_is_described():
    text = (ROOT / "docs/delivery.md").read_text()
    numbers = [*sandbox.MAGIC, *sandbox.RECEIPTS, sandbox.SLOW, sandbox.TAKEN_THEN_CUT]
    assert not [n for n in numbers if n not in text and f"...{n[-2:]}" not in text]


def test_no_document_speaks_of_a_workplace():
    words = re.compile(r"/work/|\.\./shared|session's|this sandbox machine", re.IGNORECASE)
    for path in DOCUMENTS:
        assert not words.search(path.read_text()), path


def anchors(path):
    for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_to_a_heading_meets_one(path):
    for link, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", path.read_text()):
        assert anchor in anchors(path.parent / link if link else path), f"{link}#{anchor}"


REASONS = [
    route.NO_TIME,
    route.OPTED_OUT,
    route.TOO_DEAR,
    route.NOT_FOR_TYPE,
    route.DEAR_FOR_TYPE,
    score.DOES_NOT_PAY,
]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_to_leave_a_way_out_is_described(reason):
    assert f"`{reason}`" in (ROOT / "docs/delivery.md").read_text()


@pytest.mark.parametrize("module", [score, configured], ids=["evidence", "configuration"])
def test_every_part_of_a_score_is_described(module):
    parts = re.findall(r"^\* `(\w+)`", module.__doc__, re.MULTILINE)
    text = (ROOT / "docs/routing.md").read_text()
    assert len(parts) > 5
    assert not [part for part in parts if f"\n| `{part}` |" not in text]


def test_every_field_of_what_was_learned_is_described():
    text = (ROOT / "docs/routing.md").read_text()
    fields = {*routing.WayView.model_fields, *routing.CountryView.model_fields}
    told = {*routing.Choice.model_fields, "ways"}  # their names say it
    assert not [name for name in fields - told if f"\n| `{name}` |" not in text]


def test_the_samples_of_routing_are_answers_and_add_up():
    learned, explained, decided = map(
        json.loads, blocks((ROOT / "docs/routing.md").read_text(), "json")
    )
    assert routing.Routing.model_validate(learned).countries
    told = [
        answer.Explanation.model_validate(e) for e in (explained, {"mode": "adaptive"} | decided)
    ]
    for way in (w for e in told for w in e.ranked):
        assert sum(way.parts.values()) == pytest.approx(way.score, abs=1e-5)


def test_the_counters_of_webhooks_are_described_by_the_names_that_metrics_has(tmp_path):
    with IntelligentOTPAgent(data_dir=tmp_path / "data") as agent:
        counted = agent.metrics()["webhooks"]
    text = (ROOT / "docs/operations.md").read_text()
    assert not [name for name in counted if f"`webhooks.{name}`" not in text]
