# SPDX-License-Identifier: Apache-2.0
"""Which mutants there are of a piece of Solidity."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.contracts import compile as compiling
from bcfl.contracts.mutation.generation import mutants_of
from bcfl.contracts.mutation.mutant import sample


def changes(body: str, operator: str | None = None) -> set[str]:
    """The lines that come of one line of a function's body."""
    source = f"contract One {{\nfunction one() public {{\n{body}\n}}\n}}\n"
    mutants = mutants_of("src/One.sol", source)
    for mutant in mutants:
        assert mutant.line == 3
        assert mutant.before == " ".join(body.split())
        assert mutant.after in " ".join(mutant.applied(source).split())
    return {mutant.after for mutant in mutants if operator in {None, mutant.operator}}


def assembly(block: str, operator: str | None = None) -> set[str]:
    """The same for a line of assembly."""
    prefix, suffix = 'assembly ("memory-safe") { ', " }"
    found = changes(prefix + block + suffix, operator)
    assert all(line.startswith(prefix) and line.endswith(suffix.strip()) for line in found)
    return {line.removeprefix(prefix).removesuffix(suffix.strip()).strip() for line in found}


@pytest.mark.parametrize(
    ("operator", "body", "expected"),
    [
        ("relational", "uint256 a = b < c ? b : c;", {"uint256 a = b <= c ? b : c;", "uint256 a = b >= c ? b : c;"}),
        ("relational", "bool a = b != c;", {"bool a = b == c;"}),
        ("arithmetic", "uint256 a = b - c;", {"uint256 a = b + c;"}),
        ("arithmetic", "uint256 a = f(b) - list[c];", {"uint256 a = f(b) + list[c];"}),
        ("arithmetic", "int256 a = -b;", set()),
        ("arithmetic", "uint256 a = b++;", {"uint256 a = b--;"}),
        ("logical", "bool a = !b && c;", {"bool a = b && c;", "bool a = !b || c;"}),
        ("bitwise", "uint256 a = b & ~c;", {"uint256 a = b | ~c;", "uint256 a = b & c;"}),
        ("bitwise", "uint256 a = b >> 8;", {"uint256 a = b << 8;"}),
        ("constant", "uint256 a = b >> 8;", {"uint256 a = b >> 9;", "uint256 a = b >> 7;"}),
        ("constant", "uint256 a = 0;", {"uint256 a = 1;"}),
        ("constant", "uint256 a = 1e9;", {"uint256 a = 1000000001;", "uint256 a = 999999999;"}),
        ("constant", "uint256 a = 0x0f;", {"uint256 a = 0x10;", "uint256 a = 0x0e;"}),
        ("constant", "bool a = true;", {"bool a = false;"}),
    ],
)  # fmt: skip
def test_a_token_becomes_another(operator, body, expected):
    assert changes(body, operator) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("total += amount;", {"{}"}),
        ("emit Paid(index, amount);", {"{}"}),
        ("_end(REASON);", {"{}"}),
        ("return amount;", {"{}"}),
        ("delete owners[index];", {"{}"}),
        ("(a, b) = (b, a);", {"{}"}),
        ("list[index].stake = amount;", {"{}"}),
        ("(pool.former, pool.size) = (size, next.size);", {"{}"}),
    ],
)
def test_a_statement_is_left_out(body, expected):
    assert changes(body, "statement") == expected


@pytest.mark.parametrize(
    "body",
    [
        "uint256 amount = all;",
        "Round storage r = _round;",
        "uint256[] memory list = new uint256[](count);",
        "ITask.Content memory content = next;",
        "(uint32 a, bytes memory b) = both();",
        "(, uint64 stake) = _remove(index);",
    ],
)
def test_a_declaration_stays_for_what_follows_needs_it(body):
    assert changes(body, "statement") == set()


def test_a_condition_always_holds_or_never():
    assert changes("if (a) revert Refused(f(b));") == {
        "if (true) revert Refused(f(b));",
        "if (false) revert Refused(f(b));",  # leaving the revert out would be the same
    }


def test_with_an_else_leaving_the_statement_out_is_another_fault():
    assert changes("if (a) f(); else g();") == {
        "if (true) f(); else g();",
        "if (false) f(); else g();",
        "if (a) {} else g();",
        "if (a) f(); else {}",
    }


def test_a_loop_never_runs_and_none_runs_for_ever():
    assert changes("while (a) { f(); }") == {"while (false) { f(); }", "while (a) { {} }"}


def test_what_is_tried_and_caught_is_code():
    assert changes("try token.permit(a) returns (uint256 b) { f(b); } catch {}") == {
        "try token.permit(a) returns (uint256 b) { {} } catch {}"
    }


def test_a_lock_is_left_out():
    source = (
        "contract One is Two(1) {\nfunction f(uint256 a) external override(A, B) nonReentrant returns (bool) {}\n"
        "constructor(string memory name_) ERC20(name_) {}\n}\n"
    )
    assert [mutant.after for mutant in mutants_of("src/One.sol", source)] == [
        "function f(uint256 a) external override(A, B) returns (bool) {}"
    ]


@pytest.mark.parametrize(
    ("block", "operator", "expected"),
    [
        ("let a := add(b, c)", None, {"let a := sub(b, c)"}),
        ("let a := shl(5, b)", None, {"let a := shr(5, b)", "let a := shl(6, b)", "let a := shl(4, b)"}),
        ("let a := iszero(b)", None, {"let a := not(b)"}),
        ("mstore(p, a)", None, {""}),
        ("a := b", None, {""}),
        ("if lt(a, b) { a := b }", "relational", {"if gt(a, b) { a := b }"}),
        ("if lt(a, b) { a := b }", "condition", {"if 0 { a := b }", "if 1 { a := b }"}),
        ("if lt(a, b) { a := b }", "statement", {"if lt(a, b) { }"}),
        ("if a { continue }", "statement", {"if a { }"}),
        ("for { let i := n } i { i := f(i) } { g(i) }", "statement", {
            "for { let i := n } i { } { g(i) }", "for { let i := n } i { i := f(i) } { }",
        }),
    ],
)  # fmt: skip
def test_assembly_is_changed_in_its_own_words(block, operator, expected):
    assert assembly(block, operator) == expected


def test_only_code_is_changed():
    source = """// a < b
pragma solidity ^0.8.28;
import {One} from "./One-1.sol";
uint256 constant MOST = 8;
contract Two {
    /* c + d */
    struct Three { uint64[4] four; }
    mapping(uint256 index => uint256) private _five;
    event Six(uint256 indexed seven); // 7
    bytes32 private constant HASH = keccak256("Eight(uint32 nine)");
    function ten(uint256[11] calldata list) external virtual returns (bytes32[12] memory);
}
"""
    assert {mutant.after for mutant in mutants_of("src/Two.sol", source)} == {
        "uint256 constant MOST = 9;",
        "uint256 constant MOST = 7;",
    }


def test_a_change_over_several_lines_is_told_on_one():
    source = "function f() {\n    if (\n        a // why\n            && b\n    ) g();\n}\n"
    (never,) = [mutant for mutant in mutants_of("x", source) if mutant.replacement == "false"]
    assert (never.line, never.before, never.after) == (3, "a // why && b", "false")


def test_every_contract_of_ours_has_mutants_all_different():
    contracts = Path(compiling.__file__).resolve().parent
    for path in sorted((contracts / "src").glob("*.sol")):
        source = path.read_text()
        mutants = mutants_of(path.name, source)
        texts = {mutant.applied(source) for mutant in mutants}
        assert len(texts) == len(mutants) > 0
        assert source not in texts


def test_a_sample_is_of_every_file_and_grows_with_its_number():
    source = "function f() { a = b + c; d = e < f; g(1); h(2); }"
    mutants = [*mutants_of("one", source), *mutants_of("two", source)]
    few, more = sample(mutants, 3, seed=1), sample(mutants, 5, seed=1)
    assert [mutant.file for mutant in few] == ["one"] * 3 + ["two"] * 3
    assert set(few) < set(more) < set(sample(mutants, None, seed=1)) == set(mutants)
    assert sample(mutants, 3, seed=1) == few != sample(mutants, 3, seed=2)
