// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Rewards} from "./Rewards.sol";
import {Sanctions} from "./Sanctions.sol";
import {ICrowdsourcingTask} from "./interfaces/ICrowdsourcingTask.sol";
import {Content, Permit, Phase, Sanction, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Commitments} from "./libraries/Commitments.sol";

/// @title A task scored by a separate evaluator; the contract computes the rewards from the scores
contract CrowdsourcingTask is Rewards, Sanctions {
    using Bitmaps for mapping(uint256 => uint256);

    enum Standing {
        Listed,
        Bonded,
        Removed,
        Accused // removed by objections that blame it; its bond waits
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
    /// @dev How many objected, and how many of them (from bit 128 on) blame the evaluator.
    mapping(uint256 round => uint256) private _objections;
    mapping(uint256 evaluator => uint32 round) private _accusedOf;

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
        TaskConfig memory c = Configuration.load();
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
        _requirePhase(Phase.Evaluation, roundNumber);
        Round storage r = _round;
        Evaluator storage e = _evaluators[r.evaluator];
        if (e.account != msg.sender) revert NotEvaluator(msg.sender);
        TaskConfig memory c = Configuration.load();
        if (!e.served) e.served = true;
        if (scores.length != uint256(r.revealed) * 8) revert WrongScoreCount(r.revealed);
        uint64 payout = _payRound(scores);
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
    function object(uint32 roundNumber, uint32 index, bool blames, bytes calldata signature) external {
        Round storage r = _round;
        if (r.phase == Phase.Closing) _requirePhase(Phase.Closing, roundNumber);
        else _requirePhase(Phase.Training, roundNumber + 1);
        if (r.place & STANDS == 0) revert NoEvaluation(roundNumber);
        if (!_revealed[roundNumber].has(index)) revert NotRevealed(index);
        if (_objected[roundNumber].has(index)) revert AlreadyObjected(index);
        bytes32 structHash = keccak256(abi.encode(Commitments.OBJECT_TYPEHASH, roundNumber, index, blames));
        _authorize(_members[index].account, structHash, signature);
        _objected[roundNumber].add(index);
        r.place |= DOUBTED;
        uint256 counts = _objections[roundNumber] + (blames ? 1 | 1 << 128 : 1);
        _objections[roundNumber] = counts;
        emit Objected(roundNumber, index, blames);
        uint256 words = Bitmaps.wordsFor(_population.members);
        uint256 limit;
        for (uint256 w; w < words; ++w) {
            limit += 2 * Bitmaps.popcount(_revealed[roundNumber][w]);
        }
        if (3 * uint128(counts) > limit) _uphold(roundNumber, 3 * (counts >> 128) > limit);
    }

    /// @inheritdoc ICrowdsourcingTask
    function clear(uint256 evaluator) external {
        if (_evaluators[_round.evaluator].account != msg.sender) revert NotEvaluator(msg.sender);
        Evaluator storage e = _evaluators[evaluator];
        if (e.standing != Standing.Accused || evaluator == _round.evaluator) revert NotAccused(evaluator);
        e.standing = Standing.Removed;
        emit EvaluatorCleared(evaluator);
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
        uint64 amount = e.bond;
        if (amount == 0) return;
        if (e.standing == Standing.Accused) {
            if (block.timestamp < _round.deadline) revert DeadlineNotReached(_round.deadline);
            // Whom nobody succeeded nobody could clear: it loses what silence would have cost.
            uint64 forfeited = evaluator == _round.evaluator ? amount / 2 : amount;
            e.standing = Standing.Removed;
            e.bond = amount - forfeited;
            _ledger.bonds -= forfeited;
            _forfeitBond(evaluator, _accusedOf[evaluator], forfeited);
            return;
        }
        if (Configuration.load().publicAudit && e.served && !e.opened) revert ValidationNotOpened();
        e.bond = 0;
        _ledger.bonds -= amount;
        emit BondReturned(evaluator, amount);
        _push(e.account, amount);
    }

    function _enlist(address[] calldata evaluators) internal override {
        for (uint256 i; i < evaluators.length; ++i) {
            _evaluators[i].account = evaluators[i];
        }
        _evaluatorCount = evaluators.length;
    }

    /// @dev Where commitments are relayed nobody has a stake: who does not open its own is suspended.
    function _punish(uint32 number, uint32 index, TaskConfig memory c) internal override returns (uint64) {
        if (!c.relayed) return super._punish(number, index, c);
        _suspend(number, index, c.faultSuspension, REASON_NOT_REVEALED, bytes32(0));
        return 0;
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
        uint64 payout = _payRound(msg.data[:0]);
        Content memory kept = _model();
        emit RoundFinalized(r.number, kept.digest, kept.size, payout);
        _end(CANCELLED_NO_EVALUATOR);
    }

    /// @dev The objections to round `number` prevail: the task goes on from the model that the round began with. What else
    /// the evaluation did stands. Where more than two thirds blame the evaluator it loses its place, and its bond waits for
    /// what its successor finds; else it stands down for the next one, if there is one. The round under way began from
    /// the wrong model and is void.
    function _uphold(uint32 number, bool blamed) private {
        Round storage r = _round;
        uint8 place = r.evaluator;
        Evaluator storage e = _evaluators[place];
        e.standing = blamed ? Standing.Accused : Standing.Removed;
        if (blamed) _accusedOf[place] = number;
        bool succeeded = _activateEvaluator();
        if (!succeeded && !blamed) {
            e.standing = Standing.Bonded;
            succeeded = true;
        }
        emit EvaluationReverted(number, place, r.evaluator, blamed);
        r.place = (r.place & 1) ^ 1;
        _population.modelSize = _population.formerSize;
        TaskConfig memory c = Configuration.load();
        // Time for the successor's word, also where the task ends at once.
        r.deadline = uint40(block.timestamp) + c.closingDuration;
        if (r.phase == Phase.Closing) _enter(Phase.Closing, c.closingDuration);
        else if (succeeded) _finalizeRound(_model(), 0, c);
        else _end(CANCELLED_NO_EVALUATOR);
    }

    /// @dev Those who revealed in the round before and have neither objected nor committed to an update of its model
    /// could still undo it.
    function _openToObjection() internal view override returns (bool) {
        Round storage r = _round;
        if (r.place & STANDS == 0) return false;
        uint256 number = r.number;
        uint256 words = Bitmaps.wordsFor(_population.members);
        uint256 revealers;
        uint256 content;
        for (uint256 w; w < words; ++w) {
            uint256 revealed = _revealed[number - 1][w];
            revealers += Bitmaps.popcount(revealed);
            uint256 committed = revealed & _committed[number][w];
            if (r.place & DOUBTED != 0) committed &= ~_objected[number - 1][w];
            content += Bitmaps.popcount(committed);
        }
        return 3 * content < revealers;
    }

    function _acceptModel(Content memory proposed, TaskConfig memory c) internal override {
        if (msg.sender != c.aggregator) revert NotAggregator(msg.sender);
        emit ModelSubmitted(_round.number, msg.sender, proposed.digest, proposed.size);
        _round.modelMissed = 0;
        _finalizeRound(proposed, _round.payout, c);
    }
}
