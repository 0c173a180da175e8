// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ConsortiumMembership} from "./ConsortiumMembership.sol";
import {IConsortiumTask} from "./interfaces/IConsortiumTask.sol";
import {Content, Phase, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Commitments} from "./libraries/Commitments.sol";
import {Credits} from "./libraries/Credits.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {CANDIDATES, Tallies, Tally} from "./libraries/Tallies.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Unchecked} from "./libraries/Unchecked.sol";

/// @title A task whose members judge each other and agree on the next model by a majority of equal digests
contract ConsortiumTask is ConsortiumMembership {
    using Bitmaps for mapping(uint256 => uint256);
    using Unchecked for uint256[];

    uint256 private _tally; // packed
    /// @dev A judge's commitment; once it is open its shares, of the first eight places here. Reused every round, as are
    /// these all.
    mapping(uint256 index => uint256) private _sealed;
    mapping(uint256 index => uint256) private _moreShares;
    bytes32[CANDIDATES] private _probes;
    bytes32[CANDIDATES] private _candidates;

    // ---------------------------------------------------------------- scores

    /// @inheritdoc IConsortiumTask
    function commitScores(uint32 roundNumber, uint32 index, bytes32 commitment) external {
        _requirePhase(Phase.Evaluation, roundNumber);
        if (_members[index].account != msg.sender || !_active.has(index)) revert NotMember(index);
        Round storage r = _round;
        Tally memory t = Tallies.unpack(_tally, r.number);
        uint16 bit = _bitOf(index);
        if (t.committed & bit != 0) revert ScoresAlreadyCommitted(index);
        t.committed |= bit;
        _sealed[index] = uint256(commitment);
        emit ScoresCommitted(r.number, index, commitment);
        if (Bitmaps.popcount(t.committed) == r.cohort) _awaitOpenings(t, Configuration.load());
        else _tally = Tallies.pack(t);
    }

    /// @inheritdoc IConsortiumTask
    function revealScores(uint32 number, uint32 index, bytes32 probeDigest, bytes calldata scores, bytes16 salt)
        external
    {
        _requirePhase(Phase.ScoreReveal, number);
        Tally memory t = Tallies.unpack(_tally, number);
        uint16 bit = _bitOf(index);
        if (t.committed & bit == 0) revert ScoresNotCommitted(index);
        if (t.opened & bit != 0) revert ScoresAlreadyRevealed(index);
        bytes32 commitment = Commitments.scoreCommitment(number, index, probeDigest, keccak256(scores), salt);
        if (bytes32(_sealed[index]) != commitment) revert WrongOpening();
        uint256 judged = t.targets & ~bit;
        if (scores.length != 8 * Bitmaps.popcount(judged)) revert WrongScoreCount(Bitmaps.popcount(judged));
        (uint256 low, uint256 high) = Settlement.shares(scores, judged);
        _sealed[index] = low;
        if (t.targets > 0xff) _moreShares[index] = high;
        _noteProbe(t, bit, probeDigest);
        t.opened |= bit;
        emit ScoresRevealed(number, index, probeDigest, scores);
        if (t.opened == t.committed) _settle(t, Configuration.load());
        else _tally = Tallies.pack(t);
    }

    // ---------------------------------------------------------------- settlement

    /// @dev Without a quorum of judges the targets share equally.
    function _evaluationExpired(TaskConfig memory c) internal override {
        Round storage r = _round;
        Tally memory t = Tallies.unpack(_tally, r.number);
        bool opening = r.phase == Phase.ScoreReveal;
        bool quorum = 2 * Bitmaps.popcount(opening ? t.opened : t.committed) > r.cohort;
        if (!opening) {
            if (quorum) return _awaitOpenings(t, c);
            t.targets = _targets(c);
            t.opened = t.committed; // nobody could open: nobody is at fault
        }
        if (quorum) _settle(t, c);
        else _splitEqually(t, c);
    }

    function _awaitOpenings(Tally memory t, TaskConfig memory c) private {
        t.targets = _targets(c);
        _tally = Tallies.pack(t);
        _enter(Phase.ScoreReveal, c.revealDuration);
    }

    /// @dev Those who revealed a digest of their own, by place.
    function _targets(TaskConfig memory c) private view returns (uint16) {
        uint32 number = _round.number;
        uint256 words = _revealed[number][0];
        if (c.uniqueDigests) words &= ~_disowned[number][0];
        return _byPlace(words);
    }

    /// @dev Note which of the round's probes the judge's is. After eight others it is none that more than half can have.
    function _noteProbe(Tally memory t, uint256 bit, bytes32 probeDigest) private {
        uint256 probe;
        while (probe < t.probes && _probes[probe] != probeDigest) ++probe;
        if (probe == t.probes && probe < CANDIDATES) {
            _probes[probe] = probeDigest;
            ++t.probes;
        }
        // The fourth power of a bit is the lowest of four.
        t.probeOf |= uint64(probe * bit * bit * bit * bit);
    }

    /// @dev Settle the scores on what was opened, and credit trainers and judges.
    function _settle(Tally memory t, TaskConfig memory c) private {
        uint256[] memory members = _cohortIndices();
        uint256 forfeiters = t.committed & ~t.opened;
        _slash(members, forfeiters, c);
        (uint256[] memory scores, uint256[] memory pays) = Settlement.settle(t.targets, t.opened, _lanes(members, t));
        (uint256[] memory amounts, uint64 payout) = _shareBudget(scores, forfeiters, c);
        uint64 evaluationPayout = _payJudges(t, pays, amounts, _ledger.escrow - payout, c);
        _credit(members, amounts, payout + evaluationPayout, c);
        emit ScoresSettled(
            t.round,
            payout,
            evaluationPayout,
            Settlement.pack(scores, _byPlace(_revealed[t.round][0])),
            Settlement.pack(pays, t.opened)
        );
        _enter(Phase.Aggregation, c.aggregationDuration);
    }

    function _splitEqually(Tally memory t, TaskConfig memory c) private {
        uint256[] memory members = _cohortIndices();
        uint256 forfeiters = t.committed & ~t.opened;
        _slash(members, forfeiters, c);
        uint256[] memory scores = new uint256[](members.length);
        for (uint256 place; place < members.length; ++place) {
            scores[place] = t.targets >> place & 1;
        }
        (uint256[] memory amounts, uint64 payout) = _shareBudget(scores, forfeiters, c);
        _credit(members, amounts, payout, c);
        emit ScoresSettled(t.round, payout, 0, "", "");
        _enter(Phase.Aggregation, c.aggregationDuration);
    }

    /// @dev The vectors of those who opened, two words a place.
    function _lanes(uint256[] memory members, Tally memory t) private view returns (uint256[] memory lanes) {
        lanes = new uint256[](2 * members.length);
        unchecked {
            uint256 opened = t.opened;
            for (uint256 place; opened != 0; ++place) {
                if (opened & 1 != 0) {
                    uint256 index = members.get(place);
                    lanes.put(2 * place, _sealed[index]);
                    if (t.targets > 0xff) lanes.put(2 * place + 1, _moreShares[index]);
                }
                opened >>= 1;
            }
        }
    }

    /// @dev Share what the round pays trainers, its budget and what was slashed or forfeited for it as far as the escrow
    /// goes: ⌊P·sᵢ/Σs⌋ each, the remainder to the highest score, lowest index. What falls to `forfeiters` stays in the
    /// escrow. Unchecked: all that ever comes in fits 56 bits, and a score 30.
    function _shareBudget(uint256[] memory scores, uint256 forfeiters, TaskConfig memory c)
        private
        returns (uint256[] memory amounts, uint64)
    {
        uint256 places = scores.length;
        amounts = new uint256[](places);
        unchecked {
            uint256 sum;
            for (uint256 place; place < places; ++place) {
                sum += scores.get(place);
            }
            if (sum == 0) return (amounts, 0);
            uint256 payout = uint256(c.roundBudget) + _population.bonus;
            if (payout != c.roundBudget) _population.bonus = 0;
            if (payout > _ledger.escrow) payout = _ledger.escrow;
            uint256 left = payout;
            uint256 highest;
            uint256 best;
            for (uint256 place; place < places; ++place) {
                uint256 score = scores.get(place);
                if (score > highest) (highest, best) = (score, place);
                uint256 amount = payout * score / sum;
                left -= amount;
                amounts.put(place, amount);
            }
            amounts.put(best, amounts.get(best) + left);
            for (uint256 place; forfeiters != 0; ++place) {
                if (forfeiters & 1 != 0) {
                    payout -= amounts.get(place);
                    amounts.put(place, 0);
                }
                forfeiters >>= 1;
            }
            return (amounts, uint64(payout));
        }
    }

    /// @dev Turn the judges' distances into what they are paid, as far as `left` goes, and add it to `amounts`: an equal
    /// part of the pool, less in proportion to the distance, to those who have the probe of more than half of them.
    function _payJudges(
        Tally memory t,
        uint256[] memory distances,
        uint256[] memory amounts,
        uint256 left,
        TaskConfig memory c
    ) private pure returns (uint64) {
        unchecked {
            uint256 most = c.evaluationPool / amounts.length;
            uint256 tolerance = c.tolerance * Settlement.UNIT;
            uint256 before = left;
            uint256 probe = Tallies.commonProbe(t);
            for (uint256 place; place < amounts.length; ++place) {
                uint256 distance = distances.get(place);
                uint256 pay;
                if (t.opened >> place & 1 != 0 && t.probeOf >> (place << 2) & 0xf == probe && distance < tolerance) {
                    pay = most * (tolerance - distance) / tolerance;
                    if (pay > left) pay = left;
                    left -= pay;
                    amounts.put(place, amounts.get(place) + pay);
                }
                distances.put(place, pay);
            }
            return uint64(before - left);
        }
    }

    /// @dev Credit `amounts`, by place, four members a slot; `total` of them moves from the escrow.
    function _credit(uint256[] memory members, uint256[] memory amounts, uint64 total, TaskConfig memory c) private {
        Round storage r = _round;
        r.payout = total;
        if (total == 0) return;
        unchecked {
            _ledger.escrow -= total;
            _ledger.credits += total;
            uint256 slot;
            uint256 lanes;
            for (uint256 place; place < members.length; ++place) {
                uint256 index = members.get(place);
                if (index >> 2 != slot) {
                    if (lanes != 0) Credits.add(_book, slot, lanes, r.number, c.vestingRounds);
                    (slot, lanes) = (index >> 2, 0);
                }
                lanes |= amounts.get(place) << ((index & 3) << 6);
            }
            if (lanes != 0) Credits.add(_book, slot, lanes, r.number, c.vestingRounds);
        }
    }

    // ---------------------------------------------------------------- the next model

    /// @dev A vote; more than half of the cohort agree.
    function _acceptModel(Content memory proposed, TaskConfig memory c) internal override {
        Round storage r = _round;
        uint32 index = _caller();
        uint16 bit = _bitOf(index);
        Tally memory t = Tallies.unpack(_tally, r.number);
        if (t.voted & bit != 0) revert AlreadyVoted(index);
        t.voted |= bit;
        bytes32 content = keccak256(abi.encode(proposed));
        uint256 shift; // of the candidate's byte
        while (shift != 8 * CANDIDATES && t.votes >> shift & 0xff != 0 && _candidates[shift >> 3] != content) {
            shift += 8;
        }
        uint256 votes = shift == 8 * CANDIDATES ? 0 : 1 + (t.votes >> shift & 0xff);
        if (votes == 1) {
            // The first for this content: where an aggregator is named, its own, and there is no second.
            if (c.aggregator != address(0) && msg.sender != c.aggregator) revert NotProposed(proposed.digest);
            _candidates[shift >> 3] = content;
        }
        emit ModelSubmitted(r.number, msg.sender, proposed.digest, proposed.size);
        if (2 * votes > r.cohort) {
            r.modelMissed = 0;
            _finalizeRound(proposed, r.payout, c);
            return;
        }
        if (votes != 0) t.votes += uint64(1 << shift);
        _tally = Tallies.pack(t);
    }
}
