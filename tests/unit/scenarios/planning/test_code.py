# SPDX-License-Identifier: Apache-2.0
"""Which program it is: what changes a number, and nothing else."""

from __future__ import annotations

from bcfl.scenarios.planning import code
from bcfl.scenarios.planning.code import code_digest


def test_the_digest_of_the_code_repeats():
    assert code_digest() == code_digest()


def test_comments_docstrings_and_layout_are_not_code_but_numbers_are():
    plain = code._meaning(b'"""Says."""\ndef f(x):\n    """Adds."""\n    return x + 1\n')
    assert plain == code._meaning(b"# a comment\ndef f( x ):\n\n    return (x + 1)  # more\n")
    assert plain != code._meaning(b"def f(x):\n    return x + 2\n")
