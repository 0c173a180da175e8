// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Intake} from "./Intake.sol";
import {ITrainingTask} from "./interfaces/ITrainingTask.sol";
import {Content, Permit, Phase, Population, Selection, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Commitments} from "./libraries/Commitments.sol";

/// @title The life of a task: phases, deadlines, `advance()`, `cancel()`
/// @notice Who scores, how scores settle and how the next model is agreed is the descendants'.
abstract contract TrainingTask is Intake, ReentrancyGuardTransient {
    using Bitmaps for mapping(uint256 => uint256);

    uint8 internal constant CANCELLED_BY_PUBLISHER = 1;
    uint8 internal constant CANCELLED_TOO_FEW = 2;
    uint8 internal constant CANCELLED_NO_EVALUATOR = 3;
    uint8 internal constant CANCELLED_NO_MODEL = 4;

    /// @dev Unopened commitments after which a call of `advance()` leaves the others, and the next round, to another one.
    uint256 private constant FAULTS_AT_ONCE = 64;

    /// @dev The current model and the one that the last evaluated round began with, turn about: a round writes one
    /// of the two, and keeping both costs it nothing.
    bytes32[2] internal _models;
    bool private _initialized;

    /// @dev The implementation itself is nobody's task.
    constructor() {
        _initialized = true;
        _round.phase = Phase.Cancelled;
    }

    /// @notice Called once by the factory, in the transaction that deploys and funds.
    function initialize(address[] calldata listed, uint64 budget) external {
        if (_initialized) revert AlreadyInitialized();
        _initialized = true;
        TaskConfig memory c = Configuration.load();
        if (IERC20(c.token).balanceOf(address(this)) < inBaseUnits(budget)) revert UnsupportedToken();
        _ledger.escrow = budget;
        _models[0] = c.genesisDigest;
        _population.modelSize = c.genesisSize;
        _seed = keccak256(abi.encode(c.specDigest, c.genesisDigest));
        if (c.uniqueDigests) _claimForTask(c.genesisDigest);
        _enlist(listed);
        _enter(Phase.Enrolment, c.enrolmentDuration);
    }

    // ---------------------------------------------------------------- views

    /// @notice The current global model.
    function model() external view returns (Content memory) {
        return _model();
    }

    // ---------------------------------------------------------------- membership

    /// @inheritdoc ITrainingTask
    function join(address account, Permit calldata permit, bytes calldata signature) external nonReentrant {
        Phase phase = _round.phase;
        if (phase >= Phase.Closing) revert WrongPhase(phase);
        if (phase == Phase.Enrolment) _requirePhase(Phase.Enrolment);
        _authorize(account, keccak256(abi.encode(Commitments.JOIN_TYPEHASH, account)), signature);
        TaskConfig memory c = Configuration.load();
        uint32 index = _addMember(account, c.stake, c.capacity, _round.number);
        _ledger.stakes += c.stake;
        _pull(account, c.stake + _takeBond(index, account, c), permit);
        _startWhenReady(c);
    }

    /// @inheritdoc ITrainingTask
    function leave(uint32 roundNumber, uint32 index, bytes calldata signature) external nonReentrant {
        Round storage r = _round;
        if (roundNumber != r.number) revert WrongRound(r.number);
        // After the deadline it would be a way to make the task fail for want of members.
        if (r.phase == Phase.Enrolment) _requirePhase(Phase.Enrolment);
        if (!_active.has(index)) revert NotMember(index);
        if (_suspended.has(index)) revert MemberSuspended(index);
        bytes32 structHash = keccak256(abi.encode(Commitments.LEAVE_TYPEHASH, roundNumber, index));
        _authorize(_members[index].account, structHash, signature);
        uint64 forfeited;
        if (r.phase < Phase.Closing) {
            if (_committed[roundNumber].has(index)) revert CommittedThisRound(index);
            forfeited = _forfeit(index, roundNumber, Configuration.load().vestingRounds);
        }
        (address account, uint64 stake) = _removeMember(index, roundNumber, forfeited);
        _dropFromCohort(index, false);
        if (stake != 0) {
            _ledger.stakes -= stake;
            emit StakeReturned(index, stake);
            _push(account, stake);
        }
    }

    // ---------------------------------------------------------------- time

    /// @inheritdoc ITrainingTask
    function advance() external {
        Round storage r = _round;
        Phase phase = r.phase;
        if (phase >= Phase.Completed) revert WrongPhase(phase);
        if (block.timestamp < r.deadline) revert DeadlineNotReached(r.deadline);
        TaskConfig memory c = Configuration.load();
        if (phase == Phase.Enrolment) {
            if (_population.active < c.minTrainers) _end(CANCELLED_TOO_FEW);
            else if (!_activateEvaluator()) _end(CANCELLED_NO_EVALUATOR);
            else _startRound(_model(), c);
        } else if (phase == Phase.Training) {
            if (r.committed == 0) _finalizeRound(_model(), 0, c);
            else _endTraining(c);
        } else if (phase == Phase.Reveal) {
            if (_punishUnopened(c)) _everyoneRevealed(c);
        } else if (phase == Phase.Aggregation) {
            // Credits stand, the model is kept; a second miss in a row ends the task.
            ++r.modelMissed;
            _finalizeRound(_model(), r.payout, c);
        } else if (phase == Phase.Closing) {
            r.phase = Phase.Completed;
            emit TaskCompleted();
        } else {
            _evaluationExpired(c);
        }
    }

    /// @inheritdoc ITrainingTask
    function cancel() external {
        TaskConfig memory c = Configuration.load();
        if (msg.sender != c.publisher) revert NotPublisher(msg.sender);
        Round storage r = _round;
        if (r.phase >= Phase.Closing) revert WrongPhase(r.phase);
        if (r.phase == Phase.Enrolment || (r.phase == Phase.Training && !r.everCommitted)) {
            _end(CANCELLED_BY_PUBLISHER);
        } else {
            r.cancelRequested = true;
            emit CancelRequested();
        }
    }

    /// @inheritdoc ITrainingTask
    function submitModel(uint32 roundNumber, bytes32 digest, uint32 size) external {
        TaskConfig memory c = Configuration.load();
        _requirePhase(Phase.Aggregation, roundNumber);
        _acceptModel(Content(digest, size), c);
    }

    // ---------------------------------------------------------------- money

    /// @inheritdoc ITrainingTask
    function withdraw(uint32[] calldata indices) external nonReentrant {
        uint256 vestingRounds = Configuration.load().vestingRounds;
        bool ended = _hasEnded();
        for (uint256 i; i < indices.length; ++i) {
            uint32 index = indices[i];
            Member storage member = _members[index];
            uint64 amount = _takeVested(index, vestingRounds);
            if (amount != 0) {
                _ledger.credits -= amount;
                emit RewardWithdrawn(index, amount);
            }
            uint64 stake = ended ? member.stake : 0;
            if (stake != 0) {
                member.stake = 0;
                _ledger.stakes -= stake;
                emit StakeReturned(index, stake);
            }
            _push(member.account, amount + stake);
        }
    }

    /// @inheritdoc ITrainingTask
    function refund() external nonReentrant {
        if (!_hasEnded()) revert TaskNotEnded();
        // What was slashed or forfeited is not the publisher's: an evaluator and it could share it otherwise.
        (uint64 escrow, uint64 bonus) = (_ledger.escrow, _population.bonus);
        uint64 amount = escrow > bonus ? escrow - bonus : 0;
        _ledger.escrow = escrow - amount;
        emit EscrowReturned(amount);
        _push(Configuration.load().publisher, amount);
    }

    // ---------------------------------------------------------------- for descendants

    /// @dev Keep the publisher's list: who may evaluate, or found a consortium.
    function _enlist(address[] calldata listed) internal virtual;
    /// @dev Make the first who is ready to evaluate the active one; false where there is nobody.
    function _activateEvaluator() internal virtual returns (bool);
    /// @dev The Evaluation (or ScoreReveal) deadline has passed.
    function _evaluationExpired(TaskConfig memory c) internal virtual;
    /// @dev Check a model proposed in the Aggregation phase and, once agreed, finalise the round with it.
    function _acceptModel(Content memory proposed, TaskConfig memory c) internal virtual;

    /// @dev Refuse who may not join; what a new member binds itself with on top of its stake.
    function _takeBond(uint32, address, TaskConfig memory) internal virtual returns (uint64) {}

    /// @dev Nobody waits for a member who goes before it has committed.
    function _dropFromCohort(uint32 index, bool committed) internal {
        Round storage r = _round;
        if (r.phase != Phase.Training || committed || !_cohort.has(index)) return;
        _cohort.remove(index);
        --r.cohort;
        if (r.committed != 0 && r.committed == r.cohort) _everyoneCommitted(Configuration.load());
    }

    /// @dev Enrolment ends early when the task is full and somebody will evaluate.
    function _startWhenReady(TaskConfig memory c) internal {
        if (_round.phase == Phase.Enrolment && _population.active == c.capacity && _activateEvaluator()) {
            _startRound(_model(), c);
        }
    }

    function _enter(Phase phase, uint32 duration) internal {
        _round.phase = phase;
        uint40 deadline = uint40(block.timestamp) + duration;
        _round.deadline = deadline;
        emit PhaseStarted(_round.number, phase, deadline);
    }

    /// @dev Training ends early unless objections to the round before could still be upheld: then it lasts half its time,
    /// so that nobody can slam the window shut on those who would object.
    /// @inheritdoc Intake
    function _everyoneCommitted(TaskConfig memory c) internal override {
        Round storage r = _round;
        uint40 end = r.deadline - c.trainingDuration / 2;
        if (block.timestamp < end && _openToObjection()) {
            r.deadline = end;
            emit PhaseStarted(r.number, Phase.Training, end);
        } else {
            _endTraining(c);
        }
    }

    /// @dev Whether an evaluation could still be undone by those who have not spoken.
    function _openToObjection() internal view virtual returns (bool) {}

    function _endTraining(TaskConfig memory c) private {
        if (c.commitReveal) _enter(Phase.Reveal, c.revealDuration);
        else _enter(Phase.Evaluation, c.evaluationDuration);
    }

    /// @inheritdoc Intake
    function _everyoneRevealed(TaskConfig memory c) internal override {
        if (_round.revealed == 0) _finalizeRound(_model(), 0, c);
        else _enter(Phase.Evaluation, c.evaluationDuration);
    }

    /// @dev Committed and not opened: the one fault that costs stake; in a relayed task, where a relayer may
    /// be at fault, it suspends. A few words of members a call, as all of them might not fit a transaction: false where
    /// another call has to go on.
    function _punishUnopened(TaskConfig memory c) private returns (bool done) {
        Round storage r = _round;
        if (r.revealed == r.committed || (c.relayed ? c.faultSuspension == 0 : c.stake == 0)) return true;
        uint32 number = r.number;
        uint256 words = Bitmaps.wordsFor(_population.members);
        uint256 w = r.punished;
        uint256 count;
        uint64 total;
        for (; w < words && count < FAULTS_AT_ONCE; ++w) {
            uint256 faulty = _committed[number][w] & ~_revealed[number][w];
            for (uint256 i = w << 8; faulty != 0; ++i) {
                if (faulty & 1 != 0) {
                    uint64 slashed = _punish(number, uint32(i), c);
                    total += slashed;
                    if (c.relayed || slashed != 0) ++count;
                }
                faulty >>= 1;
            }
        }
        done = w == words;
        r.punished = done ? 0 : uint8(w);
        if (total != 0) {
            _ledger.stakes -= total;
            _addToNextBudget(total);
        }
    }

    /// @dev Who has not opened its commitment loses its stake.
    function _punish(uint32 number, uint32 index, TaskConfig memory) internal virtual returns (uint64 slashed) {
        slashed = _members[index].stake;
        if (slashed == 0) return 0;
        _members[index].stake = 0;
        emit StakeSlashed(number, index, slashed);
    }

    /// @dev Slashed amounts join what later rounds pay, never the publisher's or an evaluator's.
    function _addToNextBudget(uint64 amount) internal {
        _ledger.escrow += amount;
        _population.bonus += amount;
    }

    /// @dev End the round with its model and go on to the next, or to the end. An evaluated round writes its model,
    /// a void one keeps the current, which is then `next`.
    function _finalizeRound(Content memory next, uint64 payout, TaskConfig memory c) internal {
        Round storage r = _round;
        uint256 place = r.place & 1;
        if (r.phase != Phase.Aggregation && r.modelMissed != 0) r.modelMissed = 0; // no two in a row
        if (r.phase >= Phase.Evaluation) {
            place ^= 1;
            Population storage p = _population;
            uint32 size = p.modelSize;
            if (size != p.formerSize || size != next.size) (p.formerSize, p.modelSize) = (size, next.size);
            _models[place] = next.digest;
            place |= STANDS;
            if (c.uniqueDigests) _claimForTask(next.digest);
        }
        if (c.selection != Selection.All) _seed = keccak256(abi.encode(_seed, next.digest));
        emit RoundFinalized(r.number, next.digest, next.size, payout);
        r.place = uint8(place);
        if (r.modelMissed == 2) _end(CANCELLED_NO_MODEL);
        else if (r.number == c.rounds) _enter(Phase.Closing, c.closingDuration);
        else if (r.cancelRequested) _end(CANCELLED_BY_PUBLISHER);
        else _startRound(next, c);
    }

    /// @dev Begin the next round from the current model `start`.
    function _startRound(Content memory start, TaskConfig memory c) internal {
        Round storage r = _round;
        uint32 number = r.number + 1;
        (uint256[] memory cohort, uint256 size) = _drawCohort(number, c);
        uint40 deadline = uint40(block.timestamp) + c.trainingDuration;
        // Together, so that the slot is written once.
        r.phase = Phase.Training;
        r.number = number;
        r.deadline = deadline;
        r.cohort = uint16(size);
        r.committed = 0;
        r.revealed = 0;
        r.batches = 0;
        emit RoundStarted(number, start.digest, start.size, deadline, cohort);
    }

    function _model() internal view returns (Content memory) {
        return Content(_models[_round.place & 1], _population.modelSize);
    }

    function _end(uint8 reason) internal {
        _round.phase = Phase.Cancelled;
        emit TaskCancelled(reason);
    }

    function _hasEnded() internal view override returns (bool) {
        return _round.phase >= Phase.Completed;
    }

    function _finalizedRounds() internal view override returns (uint32) {
        return _round.phase == Phase.Closing ? _round.number : _round.number == 0 ? 0 : _round.number - 1;
    }
}
