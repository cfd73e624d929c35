"""./dev demo --enroll, with either way to the PIN."""

import pathlib
import shutil
import tempfile

import pytest

from demo_enroll import EnrollDemo, forms


def test_each_form_is_searched_for():
    assert forms({"the PIN": b"1234"}) == {"the PIN": b"1234", "the PIN in hexadecimal": b"31323334",
                                           "the PIN in base64": b"MTIzNA"}


@pytest.mark.parametrize("way", ["sealed", "asked for"])
def test_the_demo(way, capsys, monkeypatch):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))
    demo = EnrollDemo(folder, False)
    monkeypatch.setenv("COLUMNS", "80")
    if way == "asked for":
        monkeypatch.setattr(demo, "seal_pin", lambda: False)
    try:
        demo.play()
        said = capsys.readouterr().out
        if way == "sealed" and not demo.is_sealed:
            pytest.skip("systemd-creds does not work here")
    finally:
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)
    assert f"the PIN is {way}" in said and "What was proven" in said
    assert said.count("✓") == 13 + 13  # the demo's steps, and those of enroll
    assert demo.one_time not in said and demo.token.pin not in said.split()
    wide = [line for line in said.splitlines() if len(line) > 80 and " " in line.strip()]
    assert wide == []
