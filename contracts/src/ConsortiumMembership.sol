// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TrainingTask} from "./TrainingTask.sol";
import {IConsortiumTask} from "./interfaces/IConsortiumTask.sol";
import {MAX_CONSORTIUM_INDICES, Phase, Population, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";

/// @title Who may join a consortium, the votes on it, members' bonds, and the places of a round's cohort
/// @dev All indices fit one word of bitmaps. A member's place is its rank in the round's cohort, at most sixteen.
abstract contract ConsortiumMembership is TrainingTask, IConsortiumTask {
    using Bitmaps for mapping(uint256 => uint256);

    uint8 private constant REASON_VOTED = 7;

    struct Proposal {
        address account;
        bool admit;
        bool passed;
        uint256 votes; // by index
    }

    uint256 private _bonded; // by index
    mapping(address account => bool) private _allowed;
    Proposal[] private _proposals;

    // ---------------------------------------------------------------- views

    /// @notice Whether the account is on the list of those who may join.
    function isAllowed(address account) external view returns (bool) {
        return _allowed[account];
    }

    /// @notice What the task holds of the member's bond.
    function bondOf(uint256 index) external view returns (uint64) {
        return _bonded & (1 << index) == 0 ? 0 : Configuration.load().bond;
    }

    function proposalAt(uint256 proposal) external view returns (Proposal memory) {
        return _proposals[proposal];
    }

    // ---------------------------------------------------------------- actions

    /// @inheritdoc IConsortiumTask
    function propose(address account, bool admit) external returns (uint256 proposal) {
        uint32 index = _voter();
        proposal = _proposals.length;
        _proposals.push(Proposal(account, admit, false, 0));
        emit MemberProposed(proposal, account, admit, index);
        _vote(proposal, index);
    }

    /// @inheritdoc IConsortiumTask
    function vote(uint256 proposal) external {
        uint32 index = _voter();
        if (proposal >= _proposals.length || _proposals[proposal].passed) revert UnknownProposal(proposal);
        _vote(proposal, index);
    }

    /// @inheritdoc IConsortiumTask
    function withdrawBond(uint256 index) external nonReentrant {
        if (!_hasEnded() && (_round.phase > Phase.Training || _active.has(index))) revert TaskNotEnded();
        uint64 amount = Configuration.load().bond;
        if (amount == 0 || _bonded & (1 << index) == 0) return;
        _bonded ^= 1 << index;
        _ledger.bonds -= amount;
        emit MemberBondReturned(uint32(index), amount);
        _push(_members[index].account, amount);
    }

    /// @dev The founders.
    function _enlist(address[] calldata founders) internal override {
        for (uint256 i; i < founders.length; ++i) {
            _allowed[founders[i]] = true;
        }
    }

    /// @dev The members themselves evaluate.
    function _activateEvaluator() internal pure override returns (bool) {
        return true;
    }

    /// @inheritdoc TrainingTask
    function _takeBond(uint32 index, address account, TaskConfig memory c) internal override returns (uint64) {
        if (!_allowed[account]) revert NotAllowed(account);
        if (index >= MAX_CONSORTIUM_INDICES) revert TaskFull();
        _bonded |= 1 << index;
        _ledger.bonds += c.bond;
        return c.bond;
    }

    // ---------------------------------------------------------------- what a small task does without

    /// @dev Members commit themselves: the factory makes no relayed consortium.
    function commitBatch(uint32, bytes calldata) external pure override {
        revert RelayNotAllowed();
    }

    /// @dev Members let each other in; and what is held of a bond is known by its index.
    function _givesIndicesAgain() internal pure override returns (bool) {
        return false;
    }

    /// @dev Every active member: nobody is sampled.
    function _drawCohort(uint32, TaskConfig memory) internal override returns (uint256[] memory cohort, uint256 size) {
        Population storage p = _population;
        cohort = new uint256[](1);
        size = p.active;
        if (!p.moved) {
            cohort[0] = _cohort[0];
        } else {
            p.moved = false;
            _cohort[0] = cohort[0] = _active[0];
        }
    }

    // ---------------------------------------------------------------- votes and bonds

    /// @dev The caller, an active member.
    function _caller() internal view returns (uint32 index) {
        uint256 next = _memberOf[msg.sender];
        if (next == 0 || !_active.has(next - 1)) revert NotAllowed(msg.sender);
        return uint32(next - 1);
    }

    /// @dev The caller, where proposals are voted on: before the first round its first member would be a majority.
    function _voter() private view returns (uint32) {
        Phase phase = _round.phase;
        if (phase == Phase.Enrolment || phase >= Phase.Closing) revert WrongPhase(phase);
        return _caller();
    }

    function _vote(uint256 proposal, uint32 index) private {
        Proposal storage p = _proposals[proposal];
        uint256 votes = p.votes | 1 << index;
        if (votes == p.votes) revert AlreadyVoted(index);
        p.votes = votes;
        bool passed = 2 * Bitmaps.popcount(votes & _active[0]) > _population.active;
        emit MemberVoted(proposal, index, passed);
        if (!passed) return;
        p.passed = true;
        _allowed[p.account] = p.admit;
        if (!p.admit) _expel(_memberOf[p.account]);
    }

    /// @dev Eject the member whose index is below `next` by one, if there is one, and active.
    function _expel(uint256 next) private {
        if (next == 0 || !_active.has(next - 1)) return;
        uint32 index = uint32(next - 1);
        Round storage r = _round;
        TaskConfig memory c = Configuration.load();
        _eject(r.number, index, REASON_VOTED, bytes32(0), r.number == c.rounds || r.cancelRequested, c);
        _dropFromCohort(index, _committed[r.number].has(index));
    }

    /// @dev Those of `members` whose place is in `forfeiters` lose their bonds.
    function _slash(uint256[] memory members, uint256 forfeiters, TaskConfig memory c) internal {
        if (forfeiters == 0 || c.bond == 0) return;
        uint32 number = _round.number;
        uint64 total;
        uint256 bonded = _bonded;
        for (uint256 place; place < members.length; ++place) {
            uint256 bit = 1 << members[place];
            if (forfeiters >> place & 1 == 0 || bonded & bit == 0) continue;
            bonded ^= bit;
            total += c.bond;
            emit BondSlashed(number, uint32(members[place]), c.bond);
        }
        _bonded = bonded;
        _ledger.bonds -= total;
        _addToNextBudget(total);
    }

    // ---------------------------------------------------------------- places

    /// @dev The bit of the member's place in this round's cohort.
    function _bitOf(uint32 index) internal view returns (uint16) {
        uint256 cohort = _cohort[0];
        uint256 bit = 1 << index;
        if (cohort & bit == 0) revert NotInCohort(index);
        return uint16(1 << Bitmaps.popcount(cohort & (bit - 1)));
    }

    /// @dev The cohort's indices, by place.
    function _cohortIndices() internal view returns (uint256[] memory) {
        uint256[] memory words = new uint256[](1);
        words[0] = _cohort[0];
        return Bitmaps.indices(words);
    }

    /// @dev A set of members of the cohort, from indices to places.
    function _byPlace(uint256 indices) internal view returns (uint16 places) {
        unchecked {
            uint16 bit = 1;
            for (uint256 rest = _cohort[0]; rest != 0; rest &= rest - 1) {
                if (rest & (~rest + 1) & indices != 0) places |= bit;
                bit <<= 1;
            }
        }
    }
}
