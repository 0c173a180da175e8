// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TrainingTask} from "./TrainingTask.sol";
import {ICrowdsourcingTask} from "./interfaces/ICrowdsourcingTask.sol";
import {Content, Permit, Phase, Sanction, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Unchecked} from "./libraries/Unchecked.sol";

/// @title A task scored by a separate evaluator; the contract computes the rewards from the scores
contract CrowdsourcingTask is TrainingTask, ICrowdsourcingTask {
    using Bitmaps for mapping(uint256 => uint256);
    using Unchecked for bytes;
    using Unchecked for uint256[];

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
        uint64 payout = _credit(scores, roundNumber, c);
        r.payout = payout;
        emit EvaluationSubmitted(roundNumber, r.evaluator, report.digest, report.size, payout, scores);
        _sanction(roundNumber, sanctions, c, roundNumber == c.rounds || r.cancelRequested);
        _acceptRanking(ranking, c);
        if (c.aggregator != address(0)) {
            _enter(Phase.Aggregation, c.aggregationDuration);
        } else {
            emit ModelSubmitted(roundNumber, msg.sender, next.digest, next.size);
            r.modelMissed = 0;
            _finalizeRound(next, c);
        }
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
    /// Unchecked: at most 2,048 scores below 2⁶³ each times a payout below 2⁵⁶.
    function _credit(bytes calldata scores, uint32 roundNumber, TaskConfig memory c) private returns (uint64 payout) {
        uint256[] memory revealed = Bitmaps.indices(_revealedWords());
        uint256 count = revealed.length;
        if (scores.length != count * 8) revert WrongScoreCount(count);
        uint256[] memory amounts = new uint256[](count);
        uint256 sum;
        uint256 best;
        uint256 highest;
        bool uniqueDigests = c.uniqueDigests;
        unchecked {
            for (uint256 i; i < count; ++i) {
                int256 score = int256(scores.word(i << 3)) >> 192;
                if (uniqueDigests && score != 0 && _disowned[roundNumber].has(revealed.get(i))) {
                    revert DigestNotOwned(uint32(revealed.get(i)));
                }
                if (score <= 0) continue;
                uint256 positive = uint256(score);
                amounts.set(i, positive);
                sum += positive;
                if (positive > highest) (highest, best) = (positive, i);
            }
            if (sum == 0) return 0;
            payout = _payout(sum, c);
            uint256 left = payout;
            for (uint256 i; i < count; ++i) {
                uint256 amount = payout * amounts.get(i) / sum;
                amounts.set(i, amount);
                left -= amount;
            }
            amounts[best] += left;
        }
        _book(revealed, amounts, payout, roundNumber, c);
    }

    /// @dev What a round pays when scores sum to `sum` (10⁻⁹).
    function _payout(uint256 sum, TaskConfig memory c) private view returns (uint64) {
        return _withinEscrow(c.roundBudget == 0 ? c.rate * sum / 1e9 : c.roundBudget);
    }

    /// @dev `due` and what was slashed or forfeited for this budget, as far as the escrow goes.
    function _withinEscrow(uint256 due) private view returns (uint64) {
        due += _population.bonus;
        uint64 escrow = _ledger.escrow;
        return due < escrow ? uint64(due) : escrow;
    }

    /// @dev Move `total` from the escrow to members' credits, four members a slot.
    function _book(
        uint256[] memory indices,
        uint256[] memory amounts,
        uint64 total,
        uint32 roundNumber,
        TaskConfig memory c
    ) private {
        if (total == 0) return;
        _ledger.escrow -= total;
        _ledger.credits += total;
        if (_population.bonus != 0) _population.bonus = 0;
        uint256 slot;
        uint256 lanes;
        unchecked {
            for (uint256 i; i < indices.length; ++i) {
                uint256 index = indices.get(i);
                if (index >> 2 != slot) {
                    if (lanes != 0) _creditSlot(slot, lanes, roundNumber, c.vestingRounds);
                    slot = index >> 2;
                    lanes = 0;
                }
                lanes |= amounts.get(i) << ((index & 3) << 6);
            }
        }
        if (lanes != 0) _creditSlot(slot, lanes, roundNumber, c.vestingRounds);
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
        emit RoundFinalized(r.number, _modelDigest, _population.modelSize, payout);
        _end(CANCELLED_NO_EVALUATOR);
    }

    function _splitEqually(TaskConfig memory c) private returns (uint64 payout) {
        uint32 number = _round.number;
        uint256[] memory words = _revealedWords();
        for (uint256 w; w < words.length; ++w) {
            words[w] &= ~_disowned[number][w];
        }
        uint256[] memory indices = Bitmaps.indices(words);
        uint256 count = indices.length;
        if (count == 0) return 0;
        // By rate there is no budget of a round: an equal part of what is left, this round included.
        payout = _withinEscrow(c.roundBudget == 0 ? _ledger.escrow / (c.rounds - number + 1) : c.roundBudget);
        uint256[] memory amounts = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            amounts[i] = payout / count;
        }
        amounts[0] += payout % count;
        _book(indices, amounts, payout, number, c);
    }

    function _acceptModel(Content memory proposed, TaskConfig memory c) internal override {
        if (msg.sender != c.aggregator) revert NotAggregator(msg.sender);
        emit ModelSubmitted(_round.number, msg.sender, proposed.digest, proposed.size);
        _round.modelMissed = 0;
        _finalizeRound(proposed, c);
    }
}
