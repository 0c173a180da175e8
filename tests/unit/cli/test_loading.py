# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import sys

import pytest

from bcfl.cli.loading import loading


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_it_and_keeps_nothing_of_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with loading():
        assert terminal.getvalue() == "loading …"
    assert terminal.getvalue().endswith("\r\x1b[2K")
    with pytest.raises(ValueError, match="broken"), loading():
        raise ValueError("broken")
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_a_file_gets_no_word(monkeypatch):
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    with loading():
        pass
    assert output.getvalue() == ""
