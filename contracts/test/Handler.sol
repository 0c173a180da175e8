// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {Phase, Sanction, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Random moves of honest and hostile participants, and what was seen to go wrong
/// @dev Eight trainers at most at a time of twelve accounts; two evaluators; half of the updates are copies.
contract Handler is TaskFixture {
    uint32 private constant ACCOUNTS = 12;

    // What the invariants read.
    uint256 public wrongPayouts;
    uint256 public phasesBack;
    uint256 public outsidersCommitted;
    uint256 public strangersCancelled;
    uint256 public credited;
    uint256 public withdrawn;
    uint256 public forfeited;
    uint256 public roundsPaid;
    uint256 public wrongObjections;
    uint256 public upheld;

    mapping(address account => bool) private _joined;
    mapping(uint256 slot => bytes32) internal _committedDigest;
    mapping(uint256 slot => uint256) internal _batch;
    mapping(uint256 slot => bool) internal _has;
    uint256 private _reached;

    /// @dev The phase never goes back within a round, nor the round.
    modifier watched() {
        _;
        uint256 now_ = _number() * 16 + uint256(_phase());
        if (_phase() >= Phase.Closing) now_ = (1 << 64) + uint256(_phase());
        if (now_ < _reached) ++phasesBack;
        _reached = now_;
    }

    function setUp() public override {
        super.setUp();
        TaskConfig memory c = _config();
        (c.capacity, c.rounds, c.vestingRounds) = (8, 6, 2);
        c.roundBudget = 150 * ONE;
        _vary(c);
        _create(c);
        for (uint32 i; i < ACCOUNTS; ++i) {
            _fund(_account(i), STAKE);
        }
        _bond(0);
        for (uint32 i; i < 5; ++i) {
            join(i);
        }
    }

    /// @dev For tasks of another kind; and what its evaluator ranks.
    function _vary(TaskConfig memory c) internal virtual {}

    function _ranking(uint256) internal view virtual returns (uint256[] memory) {}

    // ---------------------------------------------------------------- moves

    function join(uint32 account) public watched {
        account = uint32(_bound(account, 0, ACCOUNTS - 1));
        if (_joined[_account(account)] || _phase() >= Phase.Closing || task.population().active == 8) return;
        vm.prank(_account(account));
        task.join(_account(account), _noPermit(), "");
        _joined[_account(account)] = true;
    }

    function leave(uint32 index) external watched {
        index = _member(index);
        uint256 before = task.ledger().credits;
        vm.prank(_accountOf(index));
        task.leave(_number(), index, "");
        forfeited += before - task.ledger().credits;
    }

    function bondStandby() external watched {
        if (_phase() >= Phase.Closing || uint256(task.evaluatorAt(1).standing) != 0) return;
        _bond(1);
    }

    function commit(uint32 index, bool copy) external watched {
        index = _member(index);
        bool mayCommit = _phase() == Phase.Training && _isActive(index) && !_isSuspended(index) && _inCohort(index)
            && !_has[_slot(index)] && vm.getBlockTimestamp() < task.round().deadline;
        uint32 number = _number();
        uint256 batch = task.round().batches;
        bytes32 digest = copy ? keccak256(abi.encode("copied", number / 2)) : _digest(number, index);
        bytes32 commitment = _commitment(index, digest, SIZE);
        vm.prank(_accountOf(index));
        try task.commit(_number(), index, commitment) {
            if (!mayCommit) ++outsidersCommitted;
            uint256 slot = uint256(number) << 32 | index;
            (_has[slot], _batch[slot], _committedDigest[slot]) = (true, batch, digest);
        } catch {}
    }

    function commitAsStranger(uint32 index) external watched {
        vm.prank(stranger);
        try task.commit(_number(), _member(index), bytes32(0)) {
            ++outsidersCommitted;
        } catch {}
    }

    function commitAll() external watched {
        for (uint32 i; i < task.population().members; ++i) {
            this.commit(i, false);
        }
    }

    function open(uint32 index) external watched {
        _tryOpen(_member(index));
    }

    function openAll() external watched {
        for (uint32 i; i < task.population().members; ++i) {
            _tryOpen(i);
        }
    }

    function evaluate(int64[8] calldata given, uint32 sanctioned, uint32 rounds) external watched {
        if (_phase() != Phase.Evaluation || vm.getBlockTimestamp() >= task.round().deadline) return;
        uint32 number = _number();
        int64[] memory scores = new int64[](task.round().revealed);
        uint256 next;
        uint256 sum;
        for (uint32 i; i < task.population().members; ++i) {
            (, bool revealed, bool disowned) = task.intakeOf(number, i);
            if (!revealed) continue;
            if (!disowned) scores[next] = given[next % 8];
            if (scores[next] > 0) sum += uint64(scores[next]);
            ++next;
        }
        sanctioned = _member(sanctioned);
        rounds = _isSuspended(sanctioned) ? 0 : uint32(_bound(rounds, 1, 3));
        Sanction[] memory list = new Sanction[](given[0] % 2 == 0 ? 1 : 0);
        if (list.length == 1) list[0] = Sanction(sanctioned, rounds, 5, bytes32(0));
        if (rounds == 0 && _inCohort(sanctioned)) list = new Sanction[](0);

        uint256 bonus = task.population().bonus;
        uint256 due = 150 * ONE + (bonus < 150 * ONE ? bonus : 150 * ONE);
        uint256 payout = sum == 0 ? 0 : due < task.ledger().escrow ? due : task.ledger().escrow;
        uint256 before = task.ledger().credits;
        uint256 atStake = _unvested(sanctioned);
        bool last = number == 6 || task.round().cancelRequested;
        _evaluateWith(scores, list, _ranking(uint256(keccak256(abi.encode(given)))));
        uint256 lost = _isActive(sanctioned) || list.length == 0 || last || rounds != 0 ? 0 : atStake;
        if (task.ledger().credits != before + payout - lost) ++wrongPayouts;
        credited += payout;
        forfeited += lost;
        if (payout != 0) ++roundsPaid;
    }

    function objectTo(uint32 index) public watched {
        index = _member(index);
        bool closing = _phase() == Phase.Closing;
        uint32 number = closing ? _number() : _number() == 0 ? 0 : _number() - 1;
        (, bool revealed,) = task.intakeOf(number, index);
        bool mayObject = revealed && task.round().place & 2 != 0 && (closing || _phase() == Phase.Training)
            && vm.getBlockTimestamp() < task.round().deadline;
        uint256 held = _held();
        bool blames = index % 3 != 0;
        uint32 judged = _objectable();
        vm.prank(_accountOf(index));
        try task.object(judged, index, blames, "") {
            if (!mayObject) ++wrongObjections;
            if (_held() != held) ++wrongPayouts; // an objection moves no money
            if (task.round().place & 2 == 0) ++upheld;
        } catch {}
    }

    /// @dev Seldom all of them, so that evaluators last.
    function objectAll(uint256 dice) external {
        if (dice % 4 != 0) return;
        for (uint32 i; i < task.population().members; ++i) {
            objectTo(i);
        }
    }

    function clear(uint256 evaluator_) external watched {
        address active = task.evaluatorAt(task.round().evaluator).account;
        vm.prank(active);
        try task.clear(evaluator_ % 2) {} catch {}
    }

    /// @dev Once the task has ended: what a bond loses, its owner or the members gain.
    function withdrawBond(uint256 evaluator_) external watched {
        (uint256 credits, uint256 bonds, uint256 owned) = (task.ledger().credits, task.ledger().bonds, _held());
        try task.withdrawBond(evaluator_ % 2) {
            uint256 gained = task.ledger().credits - credits;
            if (bonds - task.ledger().bonds != gained + owned - _held()) ++wrongPayouts;
            credited += gained;
        } catch {}
    }

    function passTime() external watched {
        if (_phase() >= Phase.Completed) return;
        uint256 before = task.ledger().credits;
        _advance();
        credited += task.ledger().credits - before; // an equal split
    }

    function withdraw(uint32 index) external watched {
        index = _member(index);
        uint256 before = task.ledger().credits;
        _withdraw(index);
        withdrawn += before - task.ledger().credits;
    }

    function cancelAsStranger() external watched {
        vm.prank(stranger);
        try task.cancel() {
            ++strangersCancelled;
        } catch {}
    }

    /// @dev Seldom, so that most runs get on.
    function cancel(uint256 dice) external watched {
        if (dice % 16 != 0 || _phase() >= Phase.Closing) return;
        vm.prank(publisher);
        task.cancel();
    }

    function refund() external watched {
        if (_phase() >= Phase.Completed) task.refund();
    }

    // ---------------------------------------------------------------- views

    /// @dev Escrow, credits, stakes and bonds together, and the balance, in 10⁻⁹ token.
    function holdings() external view returns (uint256 owed, uint256 balance) {
        owed = uint256(task.ledger().escrow) + task.ledger().credits + task.ledger().stakes + task.ledger().bonds;
        balance = _balance(address(task));
    }

    /// @dev What members and evaluators have, added up one by one.
    function totals() external view returns (uint256 credits, uint256 stakes, uint256 bonds) {
        for (uint32 i; i < task.population().members; ++i) {
            credits += uint256(_vested(i)) + _unvested(i);
            stakes += _stakeOf(i);
        }
        bonds = uint256(task.evaluatorAt(0).bond) + task.evaluatorAt(1).bond;
    }

    function ledgerTotals() external view returns (uint256, uint256, uint256) {
        return (task.ledger().credits, task.ledger().stakes, task.ledger().bonds);
    }

    /// @dev Members counted one by one: active, suspended and active.
    function counts() external view returns (uint256 active, uint256 suspended, bool agree) {
        for (uint32 i; i < task.population().members; ++i) {
            if (_isActive(i)) ++active;
            if (_isSuspended(i)) ++suspended;
            if (_isSuspended(i) && !_isActive(i)) return (0, 0, false);
        }
        agree = active == task.population().active && suspended == task.population().suspended;
    }

    function _held() private view returns (uint256) {
        return uint256(task.ledger().escrow) + task.ledger().credits + task.ledger().stakes + task.ledger().bonds;
    }

    function _tryOpen(uint32 index) private {
        uint256 slot = _slot(index);
        if (!_has[slot]) return;
        try task.reveal(_number(), _batch[slot], _opening(index, _committedDigest[slot], SIZE)) {} catch {}
    }

    function _slot(uint32 index) private view returns (uint256) {
        return uint256(_number()) << 32 | index;
    }

    function _member(uint32 index) internal view returns (uint32) {
        return uint32(index % task.population().members);
    }

    function _accountOf(uint32 index) private view returns (address) {
        (CrowdsourcingTask.Member memory member,,,) = task.memberAt(index);
        return member.account;
    }
}
