// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TrainingTask} from "./TrainingTask.sol";
import {ICrowdsourcingTask} from "./interfaces/ICrowdsourcingTask.sol";
import {Content, Permit, Phase, Sanction, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Commitments} from "./libraries/Commitments.sol";

/// @title A task scored by a separate evaluator; the contract computes the rewards from the scores
contract CrowdsourcingTask is TrainingTask, ICrowdsourcingTask {
    using Bitmaps for mapping(uint256 => uint256);

    enum Standing {
        Listed,
        Bonded,
        Removed
    }

    struct Evaluator {
        address account;
        uint64 bond;
        Standing standing;
        bool served;
        bool opened;
    }

    uint256 private _evaluatorCount;
    mapping(uint256 place => Evaluator) private _evaluators;
    mapping(uint256 evaluator => bytes32) private _validationCommitments;
    mapping(uint256 round => mapping(uint256 word => uint256)) private _objected;
    mapping(uint256 round => uint256) private _objections;

    /// @notice Evaluators in their order of succession.
    function evaluatorAt(uint256 evaluator) external view returns (Evaluator memory) {
        return _evaluators[evaluator];
    }

    /// @inheritdoc ICrowdsourcingTask
    function bond(uint256 evaluator, bytes32 validationCommitment, Permit calldata permit) external nonReentrant {
        if (_round.phase >= Phase.Closing) revert WrongPhase(_round.phase);
        Evaluator storage e = _evaluators[evaluator];
        if (e.account != msg.sender) revert NotEvaluator(msg.sender);
        if (e.standing != Standing.Listed) revert EvaluatorNotBondable(evaluator);
        TaskConfig memory c = _config();
        e.standing = Standing.Bonded;
        e.bond = c.bond;
        _ledger.bonds += c.bond;
        _validationCommitments[evaluator] = validationCommitment;
        emit EvaluatorBonded(evaluator, msg.sender, c.bond, validationCommitment);
        _pull(msg.sender, c.bond, permit);
        _startWhenReady(c);
    }

    /// @inheritdoc ICrowdsourcingTask
    function submitEvaluation(
        uint32 roundNumber,
        bytes calldata scores,
        Content calldata next,
        Content calldata report,
        Sanction[] calldata sanctions,
        uint256[] calldata ranking
    ) external {
        _requirePhase(Phase.Evaluation);
        Round storage r = _round;
        if (roundNumber != r.number) revert WrongRound(r.number);
        Evaluator storage e = _evaluators[r.evaluator];
        if (e.account != msg.sender) revert NotEvaluator(msg.sender);
        TaskConfig memory c = _config();
        if (!e.served) e.served = true;
        uint64 payout = _credit(scores, r.revealed, roundNumber, c);
        emit EvaluationSubmitted(roundNumber, r.evaluator, report.digest, report.size, payout, scores);
        if (sanctions.length != 0) {
            _sanction(roundNumber, sanctions, c, roundNumber == c.rounds || r.cancelRequested);
        }
        _acceptRanking(ranking, c);
        if (c.aggregator != address(0)) {
            r.payout = payout;
            _enter(Phase.Aggregation, c.aggregationDuration);
        } else {
            _finalizeRound(next, payout, c);
        }
    }

    /// @inheritdoc ICrowdsourcingTask
    function object(uint32 index, bytes calldata signature) external {
        Round storage r = _round;
        bool closing = r.phase == Phase.Closing;
        if (!closing) _requirePhase(Phase.Training);
        else _requirePhase(Phase.Closing);
        uint32 number = closing ? r.number : r.number - 1;
        if (r.place & STANDS == 0) revert NoEvaluation(number);
        if (!_revealed[number].has(index)) revert NotRevealed(index);
        if (_objected[number].has(index)) revert AlreadyObjected(index);
        bytes32 structHash = keccak256(abi.encode(Commitments.OBJECT_TYPEHASH, number, index));
        _authorize(_members[index].account, structHash, signature);
        _objected[number].add(index);
        uint256 count = ++_objections[number];
        emit Objected(number, index, count);
        uint256[] memory revealers = Bitmaps.indices(_revealedWords(number));
        if (3 * count > 2 * revealers.length) _uphold(number, revealers);
    }

    /// @inheritdoc ICrowdsourcingTask
    function openValidation(uint256 evaluator, bytes32 digest, bytes16 salt) external {
        if (!_hasEnded()) revert TaskNotEnded();
        if (keccak256(abi.encodePacked(salt, digest)) != _validationCommitments[evaluator]) revert WrongOpening();
        _evaluators[evaluator].opened = true;
        emit ValidationOpened(evaluator, digest, salt);
    }

    /// @inheritdoc ICrowdsourcingTask
    function withdrawBond(uint256 evaluator) external nonReentrant {
        if (!_hasEnded()) revert TaskNotEnded();
        Evaluator storage e = _evaluators[evaluator];
        if (_config().publicAudit && e.served && !e.opened) revert ValidationNotOpened();
        uint64 amount = e.bond;
        if (amount == 0) return;
        e.bond = 0;
        _ledger.bonds -= amount;
        emit BondReturned(evaluator, amount);
        _push(e.account, amount);
    }

    /// @dev Credit the round's payout: ⌊P·sᵢ⁺/Σs⁺⌋ each, the remainder to the highest score, lowest index.
    /// Unchecked: at most 2,048 scores below 2⁶³.
    function _credit(bytes calldata scores, uint256 count, uint32 roundNumber, TaskConfig memory c)
        private
        returns (uint64 payout)
    {
        if (scores.length != count * 8) revert WrongScoreCount(count);
        uint256 words = Bitmaps.wordsFor(_population.members);
        uint256 sum;
        uint256 best;
        uint256 highest;
        uint256[] memory shares; // room for all who revealed, not zeroed; its length is known after the loop
        uint256 start;
        uint256 end;
        assembly ("memory-safe") {
            start := scores.offset
            shares := mload(0x40)
            end := add(shares, 0x20)
            mstore(0x40, add(end, shl(5, count)))
        }
        unchecked {
            for (uint256 w; w < words; ++w) {
                uint256 revealed = _revealed[roundNumber][w];
                uint256 disowned = c.uniqueDigests ? _disowned[roundNumber][w] : 0;
                for (uint256 index = w << 8; revealed != 0; ++index) {
                    if (revealed & 1 != 0) {
                        int256 score;
                        assembly ("memory-safe") {
                            score := sar(192, calldataload(start))
                            start := add(start, 8)
                        }
                        if (disowned & 1 != 0) {
                            if (score != 0) revert DigestNotOwned(uint32(index));
                        }
                        if (score > 0) {
                            assembly ("memory-safe") {
                                mstore(end, or(shl(64, index), score))
                                end := add(end, 0x20)
                                sum := add(sum, score)
                                if gt(score, highest) {
                                    highest := score
                                    best := index
                                }
                            }
                        }
                    } else if (revealed & 0xffff == 0) {
                        revealed >>= 15;
                        disowned >>= 15;
                        index += 15;
                    }
                    revealed >>= 1;
                    disowned >>= 1;
                }
            }
        }
        if (sum == 0) return 0;
        assembly ("memory-safe") {
            mstore(shares, sub(shr(5, sub(end, shares)), 1))
        }
        payout = _pay(c.roundBudget == 0 ? c.rate * sum / 1e9 : c.roundBudget);
        _distribute(shares, sum, best, payout, roundNumber, c.vestingRounds);
    }

    /// @dev Move what a round pays from the escrow to the credits: `due` and what was slashed or forfeited for this
    /// budget, as far as the escrow goes. Unchecked: all that ever comes in fits 56 bits.
    function _pay(uint256 due) private returns (uint64 payout) {
        uint64 bonus = _population.bonus;
        if (bonus != 0) _population.bonus = 0;
        due += bonus;
        uint64 escrow = _ledger.escrow;
        payout = due < escrow ? uint64(due) : escrow;
        unchecked {
            _ledger.escrow = escrow - payout;
            _ledger.credits += payout;
        }
    }

    /// @dev Credit `payout` to members, four a slot. `shares`: index (above 64 bits) and weight of each, ascending;
    /// `sum` is that of the weights, and the member `best` gets the remainder. Without checks: a weight is below
    /// 2⁶³, a payout below 2⁵⁶.
    function _distribute(
        uint256[] memory shares,
        uint256 sum,
        uint256 best,
        uint256 payout,
        uint32 roundNumber,
        uint256 vestingRounds
    ) private {
        if (payout == 0) return;
        uint256 left = payout;
        uint256 held; // what the slot of `best` gets, until the remainder is known
        uint256 p;
        uint256 end;
        assembly ("memory-safe") {
            p := add(shares, 0x20)
            end := add(p, shl(5, mload(shares)))
        }
        while (p != end) {
            uint256 slot;
            uint256 lanes;
            assembly ("memory-safe") {
                let share := mload(p)
                slot := shr(66, share)
                for {} and(lt(p, end), eq(shr(66, share), slot)) { share := mload(p) } {
                    let amount := div(mul(payout, and(share, 0xffffffffffffffff)), sum)
                    left := sub(left, amount)
                    lanes := or(lanes, shl(and(shr(58, share), 0xc0), amount)) // 64 bits a member
                    p := add(p, 0x20)
                }
            }
            if (slot == best >> 2) held = lanes;
            else _creditSlot(slot, lanes, roundNumber, vestingRounds);
        }
        _creditSlot(best >> 2, held + (left << ((best & 3) << 6)), roundNumber, vestingRounds);
    }

    function _setEvaluators(address[] calldata evaluators) internal override {
        for (uint256 i; i < evaluators.length; ++i) {
            _evaluators[i].account = evaluators[i];
        }
        _evaluatorCount = evaluators.length;
    }

    /// @dev The first bonded evaluator of the list becomes the active one.
    function _activateEvaluator() internal override returns (bool) {
        for (uint256 i; i < _evaluatorCount; ++i) {
            if (_evaluators[i].standing == Standing.Bonded) {
                _round.evaluator = uint8(i);
                return true;
            }
        }
        return false;
    }

    /// @dev A silent evaluator loses half its bond and its place; without a standby those who revealed a digest
    /// of their own share equally and the task ends.
    function _evaluationExpired(TaskConfig memory c) internal override {
        Round storage r = _round;
        Evaluator storage e = _evaluators[r.evaluator];
        uint64 slashed = e.bond / 2;
        e.bond -= slashed;
        e.standing = Standing.Removed;
        _ledger.bonds -= slashed;
        _addToNextBudget(slashed);
        emit EvaluatorRemoved(r.number, r.evaluator, slashed);
        if (_activateEvaluator()) {
            _enter(Phase.Evaluation, c.evaluationDuration);
            return;
        }
        uint64 payout = _splitEqually(c);
        Content memory kept = _model();
        emit RoundFinalized(r.number, kept.digest, kept.size, payout);
        _end(CANCELLED_NO_EVALUATOR);
    }

    /// @dev The objections to round `number` prevail: its evaluator loses its place and its bond, which is at once
    /// those members' who revealed in it, and the task goes on from the model that it began with. What else the
    /// evaluation did stands. The round under way began from the wrong model and is void.
    function _uphold(uint32 number, uint256[] memory revealers) private {
        Round storage r = _round;
        Evaluator storage e = _evaluators[r.evaluator];
        uint64 amount = e.bond;
        e.bond = 0;
        e.standing = Standing.Removed;
        _ledger.bonds -= amount;
        _ledger.credits += amount;
        emit EvaluatorRemoved(number, r.evaluator, amount);
        _shareEqually(revealers, amount, number, 0);
        r.place ^= STANDS | 1;
        _population.modelSize = _population.formerSize;
        bool succeeded = _activateEvaluator();
        if (r.phase == Phase.Closing) return;
        if (succeeded) _finalizeRound(_model(), 0, _config());
        else _end(CANCELLED_NO_EVALUATOR);
    }

    function _splitEqually(TaskConfig memory c) private returns (uint64 payout) {
        uint32 number = _round.number;
        uint256[] memory words = _revealedWords(number);
        for (uint256 w; w < words.length; ++w) {
            words[w] &= ~_disowned[number][w];
        }
        uint256[] memory shares = Bitmaps.indices(words);
        if (shares.length == 0) return 0;
        // By rate there is no budget of a round: an equal part of what is left, this round included.
        payout = _pay(c.roundBudget == 0 ? _ledger.escrow / (c.rounds - number + 1) : c.roundBudget);
        _shareEqually(shares, payout, number, c.vestingRounds);
    }

    /// @dev Credit `payout` in equal parts to the members in `shares`, ascending; the remainder to the first.
    function _shareEqually(uint256[] memory shares, uint256 payout, uint32 roundNumber, uint256 vestingRounds) private {
        uint256 count = shares.length;
        uint256 first = shares[0];
        for (uint256 i; i < count; ++i) {
            shares[i] = shares[i] << 64 | 1;
        }
        _distribute(shares, count, first, payout, roundNumber, vestingRounds);
    }

    function _acceptModel(Content memory proposed, TaskConfig memory c) internal override {
        if (msg.sender != c.aggregator) revert NotAggregator(msg.sender);
        emit ModelSubmitted(_round.number, msg.sender, proposed.digest, proposed.size);
        _round.modelMissed = 0;
        _finalizeRound(proposed, _round.payout, c);
    }
}
