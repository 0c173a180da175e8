// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ConsortiumTask} from "../src/ConsortiumTask.sol";
import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";

/// @title Random moves of a consortium's members, and what was seen to go wrong
/// @dev Six places, eight founders, twelve accounts; half of the updates are copies.
contract ConsortiumHandler is ConsortiumFixture {
    uint32 private constant ACCOUNTS = 12;

    // What the invariants read.
    uint256 public wrongPayouts;
    uint256 public phasesBack;
    uint256 public outsidersActed;
    uint256 public stuck;
    uint256 public credited;
    uint256 public withdrawn;
    uint256 public roundsSettled;
    uint256 public roundsAgreed;
    uint256 public expelled;

    mapping(address account => bool) private _joined;
    mapping(uint256 slot => bytes32) private _committedDigest;
    mapping(uint256 slot => uint256) private _batch;
    mapping(uint256 slot => bool) private _has;
    mapping(uint256 slot => bool) private _judged;
    mapping(uint256 slot => bytes) private _vector;
    mapping(uint256 slot => bytes32) private _probe;
    mapping(uint256 slot => bool) private _voted;
    uint256 private _reached;
    uint256 private _proposed;

    /// @dev The phase never goes back within a round, nor the round. What a settlement or a round credits comes from the
    /// escrow and what is slashed goes there, so that money only moves.
    modifier watched() {
        uint256 credits = task.ledger().credits;
        uint256 held = _held();
        uint32 number = _number();
        bool settled = _phase() >= Phase.Aggregation;
        _;
        uint256 now_ = _number() * 16 + uint256(_phase());
        if (_phase() >= Phase.Closing) now_ = (1 << 64) + uint256(_phase());
        if (now_ < _reached) ++phasesBack;
        _reached = now_;
        if (_number() == number && !settled && _phase() == Phase.Aggregation) {
            ++roundsSettled;
            credited += task.ledger().credits - credits;
            if (task.round().payout != task.ledger().credits - credits) ++wrongPayouts;
            if (_held() != held) ++wrongPayouts;
        } else if (task.ledger().credits > credits) {
            ++wrongPayouts;
        }
    }

    function setUp() public override {
        founders = 8;
        super.setUp();
        TaskConfig memory c = _consortiumConfig();
        (c.capacity, c.rounds, c.vestingRounds) = (6, 6, 2);
        (c.roundBudget, c.evaluationPool) = (120 * ONE, 40 * ONE);
        _createConsortium(c);
        for (uint32 i; i < ACCOUNTS; ++i) {
            _fund(_account(i), STAKE + MEMBER_BOND);
        }
        for (uint32 i; i < 5; ++i) {
            join(i);
        }
    }

    // ---------------------------------------------------------------- moves

    function join(uint32 account) public watched {
        address who = _account(uint32(_bound(account, 0, ACCOUNTS - 1)));
        bool may = consortium.isAllowed(who) && !_joined[who] && _phase() < Phase.Closing
            && task.population().active < 6
            && (_phase() != Phase.Enrolment || vm.getBlockTimestamp() < task.round().deadline);
        vm.prank(who);
        try consortium.join(who, _noPermit(), "") {
            if (!may) ++outsidersActed;
            _joined[who] = true;
        } catch {}
    }

    function leave(uint32 index) external watched {
        index = _member(index);
        vm.prank(_accountOf(index));
        consortium.leave(_number(), index, "");
    }

    function commit(uint32 index, bool copy) external watched {
        _tryCommit(_member(index), copy);
    }

    function commitAll(uint256 copies) external watched {
        for (uint32 i; i < task.population().members; ++i) {
            _tryCommit(i, copies >> (4 * i) & 15 == 0);
        }
    }

    function openAll() external watched {
        for (uint32 i; i < task.population().members; ++i) {
            uint256 slot = _slot(i);
            if (!_has[slot]) continue;
            try consortium.reveal(_number(), _batch[slot], _opening(i, _committedDigest[slot], SIZE)) {} catch {}
        }
    }

    /// @dev A vector of anything; seldom of a wrong length.
    function judge(uint32 index, int64[16] calldata given, bool alone) public watched {
        _tryJudge(_member(index), given, alone);
    }

    function judgeAll(int64[16] calldata given, uint256 silent) external watched {
        for (uint32 i; i < task.population().members; ++i) {
            if (silent >> (4 * i) & 7 != 0) _tryJudge(i, given, silent >> (4 * i) & 8 == 0);
        }
    }

    function openScores(uint32 index) external watched {
        _tryOpenScores(_member(index));
    }

    function openScoresAll(uint256 silent) external watched {
        for (uint32 i; i < task.population().members; ++i) {
            if (silent >> (4 * i) & 7 != 0) _tryOpenScores(i);
        }
    }

    function voteModel(uint32 index, bool another) public watched {
        _tryVoteModel(_member(index), another);
    }

    function voteModelAll(uint256 others) external watched {
        for (uint32 i; i < task.population().members; ++i) {
            _tryVoteModel(i, others >> (4 * i) & 7 == 0);
        }
    }

    function propose(uint32 index, uint32 account, bool admit) public watched {
        vm.prank(_accountOf(_member(index)));
        try consortium.propose(_account(uint32(_bound(account, 0, ACCOUNTS - 1))), admit) {
            ++_proposed;
            if (!_isActive(_member(index)) && task.population().active != 0) ++outsidersActed;
        } catch {}
    }

    function vote(uint32 index, uint256 proposal) public watched {
        if (_proposed == 0) return;
        _tryVote(_member(index), proposal % _proposed);
    }

    /// @dev Seldom all of them, so that members last.
    function voteAll(uint256 proposal) external watched {
        if (_proposed == 0) return;
        for (uint32 i; i < task.population().members; ++i) {
            _tryVote(i, proposal % _proposed);
        }
    }

    function passTime() external watched {
        if (_phase() >= Phase.Completed) return;
        _advance();
    }

    function withdraw(uint32 index) external watched {
        index = _member(index);
        uint256 before = task.ledger().credits;
        _withdraw(index);
        withdrawn += before - task.ledger().credits;
    }

    function withdrawBond(uint32 index) external watched {
        index = _member(index);
        bool may = _phase() >= Phase.Completed || (_phase() <= Phase.Training && !_isActive(index));
        try consortium.withdrawBond(index) {
            if (!may) ++outsidersActed;
        } catch {}
    }

    /// @dev Seldom, so that most runs get on.
    function cancel(uint256 dice) external watched {
        if (dice % 16 != 0 || _phase() >= Phase.Closing) return;
        vm.prank(publisher);
        consortium.cancel();
    }

    function refund() external watched {
        if (_phase() >= Phase.Completed) consortium.refund();
    }

    /// @dev From wherever the task stands, deadlines alone end it, each of them moves it on, and all goes home.
    function runOut() external {
        uint256 steps;
        while (_phase() < Phase.Completed) {
            uint256 before = _number() * 16 + uint256(_phase());
            _advance();
            uint256 after_ = _number() * 16 + uint256(_phase());
            if (after_ <= before) ++stuck;
            if (++steps > 6 * 6 + 2) {
                ++stuck;
                return;
            }
        }
        consortium.refund();
        for (uint32 i; i < task.population().members; ++i) {
            _withdraw(i);
            consortium.withdrawBond(i);
        }
        if (_balance(address(consortium)) != task.population().bonus) ++stuck; // slashed, and came to no budget
    }

    // ---------------------------------------------------------------- views

    /// @dev Escrow, credits, stakes and bonds together, and the balance, in 10⁻⁹ token.
    function holdings() external view returns (uint256 owed, uint256 balance) {
        owed = _held();
        balance = _balance(address(consortium));
    }

    /// @dev What members have, added up one by one.
    function totals() external view returns (uint256 credits, uint256 stakes, uint256 bonds) {
        for (uint32 i; i < task.population().members; ++i) {
            credits += uint256(_vested(i)) + _unvested(i);
            stakes += _stakeOf(i);
            bonds += consortium.bondOf(i);
        }
    }

    function ledgerTotals() external view returns (uint256, uint256, uint256) {
        return (task.ledger().credits, task.ledger().stakes, task.ledger().bonds);
    }

    /// @dev Members counted one by one.
    function countsAgree() external view returns (bool) {
        uint256 active;
        for (uint32 i; i < task.population().members; ++i) {
            if (_isActive(i)) ++active;
            if (_isSuspended(i)) return false;
        }
        return active == task.population().active && active <= 6;
    }

    // ---------------------------------------------------------------- pieces

    function _tryCommit(uint32 index, bool copy) private {
        bool may = _phase() == Phase.Training && _isActive(index) && _inCohort(index) && !_has[_slot(index)]
            && vm.getBlockTimestamp() < task.round().deadline;
        uint32 number = _number();
        uint256 batch = task.round().batches;
        bytes32 digest = copy ? keccak256(abi.encode("copied", number / 2)) : _digest(number, index);
        bytes32 commitment = _commitment(index, digest, SIZE);
        vm.prank(_accountOf(index));
        try consortium.commit(_number(), index, commitment) {
            if (!may) ++outsidersActed;
            uint256 slot = uint256(number) << 32 | index;
            (_has[slot], _batch[slot], _committedDigest[slot]) = (true, batch, digest);
        } catch {}
    }

    function _tryJudge(uint32 index, int64[16] calldata given, bool alone) private {
        uint256 slot = _slot(index);
        bool may = _phase() == Phase.Evaluation && _isActive(index) && _inCohort(index) && !_judged[slot]
            && vm.getBlockTimestamp() < task.round().deadline;
        uint256 count;
        for (uint32 i; i < task.population().members; ++i) {
            (, bool revealed, bool disowned) = task.intakeOf(_number(), i);
            if (i != index && revealed && !disowned) ++count;
        }
        if (given[index % 16] % 32 == 0) ++count;
        int64[] memory scores = new int64[](count);
        for (uint256 i; i < count; ++i) {
            scores[i] = given[(i + index) % 16] >> 16;
        }
        bytes memory packed = _pack(scores);
        bytes32 probe = alone ? bytes32(uint256(index)) : PROBE;
        bytes32 commitment = _scoreCommitment(index, probe, packed);
        vm.prank(_accountOf(index));
        try consortium.commitScores(_number(), index, commitment) {
            if (!may) ++outsidersActed;
            (_judged[slot], _vector[slot], _probe[slot]) = (true, packed, probe);
        } catch {}
    }

    function _tryOpenScores(uint32 index) private {
        uint256 slot = _slot(index);
        try consortium.revealScores(_number(), index, _probe[slot], _vector[slot], SALT) {
            if (!_judged[slot]) ++outsidersActed;
        } catch {}
    }

    function _tryVoteModel(uint32 index, bool another) private {
        uint32 number = _number();
        uint256 slot = _slot(index);
        bool may = _phase() == Phase.Aggregation && _isActive(index) && _inCohort(index) && !_voted[slot]
            && vm.getBlockTimestamp() < task.round().deadline;
        bytes32 digest = another ? bytes32(uint256(index)) : _modelOf(number).digest;
        vm.prank(_accountOf(index));
        try consortium.submitModel(number, digest, SIZE) {
            if (!may) ++outsidersActed;
            _voted[slot] = true;
            if (_number() != number || _phase() == Phase.Closing) ++roundsAgreed;
        } catch {}
    }

    function _tryVote(uint32 index, uint256 proposal) private {
        bool may = _isActive(index) && _phase() != Phase.Enrolment && _phase() < Phase.Closing
            && !consortium.proposalAt(proposal).passed;
        uint256 active = task.population().active;
        vm.prank(_accountOf(index));
        try consortium.vote(proposal) {
            if (!may) ++outsidersActed;
            ConsortiumTask.Proposal memory p = consortium.proposalAt(proposal);
            if (p.passed && p.admit != consortium.isAllowed(p.account)) ++outsidersActed;
            if (task.population().active < active) ++expelled;
        } catch {}
    }

    function _held() private view returns (uint256) {
        return uint256(task.ledger().escrow) + task.ledger().credits + task.ledger().stakes + task.ledger().bonds;
    }

    function _slot(uint32 index) private view returns (uint256) {
        return uint256(_number()) << 32 | index;
    }

    function _member(uint32 index) private view returns (uint32) {
        return uint32(index % task.population().members);
    }

    function _accountOf(uint32 index) private view returns (address) {
        (CrowdsourcingTask.Member memory member,,,) = task.memberAt(index);
        return member.account;
    }
}
