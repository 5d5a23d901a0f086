"""The programs of loadtests start and explain their options."""

import importlib

import pytest


@pytest.mark.parametrize("program", ["loadtests", "loadtests.bench", "loadtests.gpu", "loadtests.hostile"])
def test_help_names_the_program(program, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"{program}.__main__").main()

    assert ended.value.code == 0
    assert f"python -m {program}" in capsys.readouterr().out
