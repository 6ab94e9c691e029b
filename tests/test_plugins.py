"""A plug-in is a file: dropping it in is enough, and nothing else can be loaded by its name."""

import sys

import pytest

from otp_messaging_agent import plugins, providers

FILE = """
CHANNELS = ("SMS",)
ANSWER = {answer}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Put a folder beside the shipped providers; what is loaded from it is forgotten again."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    plugins.load.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]
        vars(providers).pop(name.rpartition(".")[2], None)


def test_every_folder_tells_what_is_in_it():
    assert {"sandbox"} <= set(plugins.names("providers"))
    assert plugins.names("channels") == ["call", "email", "sms", "whatsapp"]
    assert "memory" in plugins.names("queues")
    assert plugins.names("stores") == ["sql"]


def test_a_shipped_plug_in_is_loaded_once():
    sandbox = plugins.load("providers", "sandbox")
    assert sandbox.__name__ == "otp_messaging_agent.providers.sandbox"
    assert plugins.load("providers", "sandbox") is sandbox


def test_a_file_dropped_in_is_a_plug_in(folder):
    assert "carrier_pigeon" not in plugins.names("providers")
    (folder / "carrier_pigeon.py").write_text(FILE.format(answer=42))
    assert "carrier_pigeon" in plugins.names("providers")
    assert plugins.load("providers", "carrier_pigeon").ANSWER == 42


def test_a_name_refused_once_is_found_as_soon_as_its_file_is_there(folder):
    with pytest.raises(ValueError, match="must be one of"):
        plugins.load("providers", "late")
    (folder / "late.py").write_text(FILE.format(answer=1))
    assert plugins.load("providers", "late").ANSWER == 1


def test_a_plug_in_may_be_a_folder_too(folder):
    (folder / "big").mkdir()
    (folder / "big" / "__init__.py").write_text(FILE.format(answer=2))
    assert plugins.load("providers", "big").ANSWER == 2


def test_other_files_are_no_plug_ins(folder):
    for name in ("notes.txt", "two.words.py", "base.py", "migrations.py"):
        (folder / name).write_text("")
    assert {"notes", "two.words", "base", "migrations"} & set(plugins.names("providers")) == set()


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "base",
        "Sandbox",
        "sandbox ",
        "sandbox.py",
        "sandbox.Settings",
        "base.Provider",
        "../stores/sql",
        "..stores.sql",
        ".sandbox",
        "os",
        "sys",
        "__init__",
        "sandbox\n",
        "sand\x00box",
    ],
)
def test_no_other_name_is_loaded(name):
    with pytest.raises(ValueError, match=r"must be one of .*sandbox"):
        plugins.load("providers", name)


def test_a_fault_inside_a_plug_in_is_its_own(folder):
    (folder / "broken.py").write_text("raise ZeroDivisionError('inside')")
    with pytest.raises(ZeroDivisionError, match="inside"):
        plugins.load("providers", "broken")
