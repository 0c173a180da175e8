// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";

/// @title Whatever members do, a consortium pays out what it took in, to the last unit
contract ConsortiumMoneyTest is ConsortiumFixture {
    /// @dev What is drawn of a round: who commits an update, who reveals it, who commits scores, who opens them. Bitmaps.
    struct Acts {
        uint256 trained;
        uint256 revealed;
        uint256 judged;
        uint256 opened;
    }

    /// @dev Four rounds in which anybody may fall silent anywhere and say anything: paid + returned = escrowed, each round
    /// pays no more than it may, and what forfeiters lose goes to nobody.
    function testFuzz_PaidAndReturnedIsWhatWasEscrowed(uint256 seed, uint8 membersSeed, uint8 vesting) public {
        uint32 members = uint32(_bound(membersSeed, 2, 16));
        TaskConfig memory c = _consortiumOf(members);
        c.vestingRounds = vesting % 4;
        _startedConsortium(c, members);
        for (uint256 i; i < 4 && _phase() == Phase.Training; ++i) {
            _drawnRound(uint256(keccak256(abi.encode(seed, i))), members);
        }
        while (_phase() < Phase.Completed) {
            _advance();
        }
        _everythingGoesHome(members);
    }

    /// @dev A pool and a budget that nothing divides evenly, paid by scores that nothing divides evenly.
    function testFuzz_ARoundPaysItsBudgetToTheLastUnit(uint256 seed, uint64 budget, uint64 pool) public {
        TaskConfig memory c = _consortiumConfig();
        (c.roundBudget, c.evaluationPool) = (uint64(_bound(budget, 1, 200 * ONE)), uint64(_bound(pool, 0, 50 * ONE)));
        _revealedConsortium(c);
        int64[][] memory vectors = new int64[][](4);
        for (uint256 i; i < 4; ++i) {
            vectors[i] = new int64[](3);
            for (uint256 t; t < 3; ++t) {
                vectors[i][t] = int64(uint64(1 + uint256(keccak256(abi.encode(seed, i, t))) % 1e12));
            }
        }
        _judgeAndOpen(vectors);
        uint256 credits = task.ledger().credits;
        vm.assertGe(credits, c.roundBudget, "the whole budget");
        vm.assertLe(credits, uint256(c.roundBudget) + c.evaluationPool, "and of the pool what judges deserve");
        vm.assertEq(credits + task.ledger().escrow, BUDGET);
        uint256 sum;
        for (uint32 i; i < 4; ++i) {
            sum += _vested(i);
        }
        vm.assertEq(sum, credits);
    }

    function _drawnRound(uint256 dice, uint32 members) private {
        Acts memory acts;
        acts.trained = dice | dice >> 16 | dice >> 32;
        acts.revealed = acts.trained & (dice >> 48 | dice >> 64);
        acts.judged = dice >> 80 | dice >> 96;
        acts.opened = acts.judged & (dice >> 112 | dice >> 128 | dice >> 144);
        _train(acts, members);
        if (_phase() != Phase.Evaluation) return;
        uint256 escrow = task.ledger().escrow;
        uint256 due = ROUND + POOL + task.population().bonus;
        uint256 bonds = task.ledger().bonds;
        _judgeAs(acts, members, dice);
        _assertPhase(Phase.Aggregation);
        uint256 slashed = bonds - task.ledger().bonds;
        vm.assertLe(escrow + slashed - task.ledger().escrow, due + slashed, "a round pays no more than it may");
        vm.assertEq(task.round().payout, escrow + slashed - task.ledger().escrow);
        if (dice >> 250 & 1 == 0) _agree(members);
        else _advance();
    }

    function _train(Acts memory acts, uint32 members) private {
        uint256[16] memory batch;
        uint256 batches;
        for (uint32 i; i < members; ++i) {
            if (acts.trained >> i & 1 == 0) continue;
            _commit(i);
            batch[i] = batches++;
        }
        if (_phase() == Phase.Training) _advance();
        for (uint32 i; i < members && _phase() == Phase.Reveal; ++i) {
            if (acts.revealed >> i & 1 != 0) _open(batch[i], i);
        }
        if (_phase() == Phase.Reveal) _advance();
    }

    /// @dev Vectors of anything; one in four judges has a probe of its own.
    function _judgeAs(Acts memory acts, uint32 members, uint256 dice) private {
        uint256 targets;
        for (uint32 i; i < members; ++i) {
            (, bool revealed,) = task.intakeOf(_number(), i);
            if (revealed) ++targets;
        }
        bytes[] memory vectors = new bytes[](members);
        for (uint32 i; i < members; ++i) {
            (, bool revealed,) = task.intakeOf(_number(), i);
            int64[] memory scores = new int64[](revealed ? targets - 1 : targets);
            for (uint256 t; t < scores.length; ++t) {
                scores[t] = int64(uint64(uint256(keccak256(abi.encode(dice, i, t)))));
            }
            vectors[i] = _pack(scores);
            if (acts.judged >> i & 1 != 0) _judgeWith(i, _probe(dice, i), vectors[i]);
        }
        if (_phase() == Phase.Evaluation) _advance();
        for (uint32 i; i < members && _phase() == Phase.ScoreReveal; ++i) {
            if (acts.opened >> i & 1 == 0) continue;
            uint64 before = _vested(i) + _unvested(i);
            consortium.revealScores(_number(), i, _probe(dice, i), vectors[i], SALT);
            vm.assertGe(_vested(i) + _unvested(i), before, "nothing earned is lost");
        }
        if (_phase() == Phase.ScoreReveal) _advance();
    }

    function _probe(uint256 dice, uint32 i) private pure returns (bytes32) {
        return dice >> (160 + 2 * i) & 3 == 0 ? bytes32(uint256(i)) : PROBE;
    }

    function _everythingGoesHome(uint32 members) private {
        uint256 escrowed = uint256(BUDGET) + members * uint256(STAKE + MEMBER_BOND);
        uint256 home;
        uint256 before = _balance(publisher);
        consortium.refund();
        home = _balance(publisher) - before;
        for (uint32 i; i < members; ++i) {
            before = _balance(_account(i));
            _withdraw(i);
            consortium.withdrawBond(i);
            home += _balance(_account(i)) - before;
        }
        // What was slashed and came to no budget is nobody's.
        uint256 unclaimed = task.population().bonus;
        vm.assertEq(home + unclaimed, escrowed, "paid + returned = escrowed");
        vm.assertEq(token.balanceOf(address(consortium)), unclaimed * 1e9);
    }
}
