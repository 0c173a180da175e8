# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with one token: another operator, another number, a missing negation.

Statements and conditions, which span tokens, are in ``statements``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.contracts.mutation.tokens import Token

__all__ = ("of_solidity", "of_yul")

_SIGNS: dict[str, dict[str, tuple[str, ...]]] = {
    "relational": {
        "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    },
    "arithmetic": {
        "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("*",), "**": ("*",),
        "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "/=": ("*=",), "++": ("--",), "--": ("++",),
    },
    "logical": {"&&": ("||",), "||": ("&&",), "!": ("",)},
    "bitwise": {
        "&": ("|",), "|": ("&",), "^": ("&", "|"), "~": ("",), "<<": (">>",), ">>": ("<<",),
        "&=": ("|=",), "|=": ("&=",), "^=": ("|=",), "<<=": (">>=",), ">>=": ("<<=",),
    },
}  # fmt: skip
_CALLS: dict[str, dict[str, tuple[str, ...]]] = {
    "relational": {"lt": ("gt",), "gt": ("lt",), "slt": ("sgt",), "sgt": ("slt",), "eq": ("xor",)},
    "arithmetic": {"add": ("sub",), "sub": ("add",), "mul": ("div",), "div": ("mul",), "mod": ("mul",)},
    "logical": {"iszero": ("not",)},
    "bitwise": {"and": ("or",), "or": ("and",), "xor": ("or",), "shl": ("shr",), "shr": ("shl",)},
}
_BINARY_AFTER = frozenset({")", "]"})  # a minus after anything else than these, words and numbers is a sign


def of_solidity(tokens: tuple[Token, ...], place: int) -> Iterator[tuple[str, str]]:
    """Kinds of fault and replacements for a token of a body or of a constant's value."""
    token = tokens[place]
    if token.kind == "sign":
        previous = tokens[place - 1]
        operand = previous.kind in {"word", "number"} and previous.text != "return"
        if token.text == "-" and not (operand or previous.text in _BINARY_AFTER):
            return
        for kind, signs in _SIGNS.items():
            for replacement in signs.get(token.text, ()):
                yield kind, replacement
    elif token.text in {"true", "false"}:
        yield "constant", "false" if token.text == "true" else "true"
    else:
        yield from _of_number(token)


def of_yul(tokens: tuple[Token, ...], place: int) -> Iterator[tuple[str, str]]:
    """Kinds of fault and replacements for a token of an assembly block."""
    token = tokens[place]
    if token.kind == "word" and tokens[place + 1].text == "(":
        for kind, calls in _CALLS.items():
            for replacement in calls.get(token.text, ()):
                yield kind, replacement
    else:
        yield from _of_number(token)


def _of_number(token: Token) -> Iterator[tuple[str, str]]:
    if token.kind != "number":
        return
    text = token.text.replace("_", "")
    if "." in text:
        return
    mantissa, _, exponent = (text, "", "") if text.startswith("0x") else text.partition("e")
    value = int(mantissa, 0) * 10 ** int(exponent or 0)
    width = len(text) if text.startswith("0x") else 0
    for changed in (value + 1, value - 1):
        if changed >= 0:
            yield "constant", f"{changed:#0{width}x}" if width else str(changed)
