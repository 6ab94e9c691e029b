"""The rules of the house that no other tool checks."""

import ast
from pathlib import Path

import pytest

from otp_messaging_agent import plugins

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "otp_messaging_agent"
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if "versions" not in p.parts)
LINES = 250
LONGER = {"stores/base.py": 300}  # four contracts and their words, of one reader each
STATEMENTS = 30
METHODS = 6


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_small_and_says_what_it_is(path):
    text = path.read_text()
    tree = ast.parse(text)
    most = LONGER.get(path.relative_to(PACKAGE).as_posix(), LINES)
    assert text.count("\n") <= most
    assert ast.get_docstring(tree), "the module says nothing"


def test_no_room_is_named_after_nothing():
    names = {p.stem for p in SOURCES} | {p.name for p in PACKAGE.iterdir()}
    assert not names & {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


@pytest.mark.parametrize("kind", ["providers", "channels", "queues", "stores"])
def test_every_plug_in_is_found_and_has_a_factory(kind):
    found = plugins.names(kind)
    assert found
    wanted = "MEDIUM" if kind == "channels" else "make"
    assert all(hasattr(plugins.load(kind, name), wanted) for name in found)


def _protocols(path):
    for node in ast.walk(ast.parse(path.read_text())):
        bases = {b.id for b in getattr(node, "bases", []) if isinstance(b, ast.Name)}
        if isinstance(node, ast.ClassDef) and "Protocol" in bases:
            yield node


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/base.py")), ids=lambda p: p.parent.name)
def test_a_contract_is_short_and_every_promise_is_written(path):
    for protocol in _protocols(path):
        methods = [n for n in protocol.body if isinstance(n, ast.FunctionDef)]
        assert len(methods) <= METHODS, protocol.name
        assert all(ast.get_docstring(m) for m in methods), protocol.name


def test_a_vendor_is_named_only_in_its_file():
    vendors = set(plugins.names("providers")) - {"sandbox"}
    for path in SOURCES:
        if "providers" in path.parts:
            continue
        code = ast.parse(path.read_text())
        named = {n.id.lower() for n in ast.walk(code) if isinstance(n, ast.Name)}
        texts = {
            n.value.lower()
            for n in ast.walk(code)
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and " " not in n.value
        }
        assert not vendors & (named | texts), path


@pytest.mark.parametrize("script", ["api_server.py"])
def test_a_script_only_wires(script):
    assert len((ROOT / script).read_text().splitlines()) <= 40
