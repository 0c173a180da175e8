// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Content, Permit, Sanction} from "./TaskTypes.sol";

/// @title A task scored by a separate evaluator with a validation set that no trainer sees
interface ICrowdsourcingTask {
    /// @notice The caller is not the active evaluator.
    error NotEvaluator(address caller);
    /// @notice The evaluator has bonded already, or was removed.
    error EvaluatorNotBondable(uint256 evaluator);
    /// @notice There must be exactly one score (8 bytes) for each revealed member.
    error WrongScoreCount(uint256 expected);
    /// @notice A member who does not own its digest cannot be scored.
    error DigestNotOwned(uint32 index);
    /// @notice The opening is not the one committed.
    error WrongOpening();
    /// @notice There is no evaluation of that round to object to: it was void, or an objection to it was upheld.
    error NoEvaluation(uint32 round);
    /// @notice Only who revealed an update in the objected round may object to its evaluation.
    error NotRevealed(uint32 index);
    /// @notice The member has objected to this evaluation already.
    error AlreadyObjected(uint32 index);
    /// @notice Nothing but an evaluator accused before the active one can be cleared.
    error NotAccused(uint256 evaluator);
    /// @notice Credits of an earlier round are not all booked: call `credit` first.
    error CreditsPending(uint32 round);
    /// @notice No credits are to be booked, or not by these scores.
    error NothingToCredit();
    /// @notice The bond waits for the validation set to be opened.
    error ValidationNotOpened();

    /// @notice `validationCommitment` is keccak256(salt ‖ digest of the validation set).
    event EvaluatorBonded(
        uint256 indexed evaluator, address indexed account, uint64 bond, bytes32 validationCommitment
    );
    /// @notice It was silent in Evaluation, and `slashed` joins what later rounds pay.
    event EvaluatorRemoved(uint32 indexed round, uint256 indexed evaluator, uint64 slashed);
    /// @notice Objections to the evaluation of `round` were upheld: the model is again the one that it began with.
    /// `accused`: the evaluator is removed and its bond waits; else it stands down for `successor`. The two are the same
    /// where there is no other.
    event EvaluationReverted(uint32 indexed round, uint256 indexed evaluator, uint256 successor, bool accused);
    /// @notice The successor of an accused evaluator found that it did what it should: its bond is its own again.
    event EvaluatorCleared(uint256 indexed evaluator);
    /// @notice After the task's end `amount` of an accused evaluator's bond was shared equally by those who revealed in
    /// `round`; the remainder goes to the lowest index.
    event BondForfeited(uint32 indexed round, uint256 indexed evaluator, uint64 amount);
    /// @notice `blames`: the evaluator is at fault; else the model is bad, whoever made it so.
    event Objected(uint32 indexed round, uint32 indexed index, bool blames);
    /// @notice Of the slots that the round's credits (or a bond's shares) are to be written to, the first `written` are, and
    /// there are more: `credit` goes on. Zero: all are.
    event CreditsWritten(uint32 indexed round, uint256 written);
    /// @notice `scores`: int64 in 10⁻⁹, 8 bytes for each revealed member in index order.
    event EvaluationSubmitted(
        uint32 indexed round,
        uint256 indexed evaluator,
        bytes32 reportDigest,
        uint32 reportSize,
        uint64 payout,
        bytes scores
    );
    event ValidationOpened(uint256 indexed evaluator, bytes32 digest, bytes16 salt);
    event BondReturned(uint256 indexed evaluator, uint64 amount);

    /// @notice An evaluator of the task's list binds itself.
    function bond(uint256 evaluator, bytes32 validationCommitment, Permit calldata permit) external;

    /// @notice The active evaluator's scores, next model, report and sanctions, in one transaction.
    /// @param ranking the next cohort's bitmap, for `Selection.ScoreOrder` alone
    function submitEvaluation(
        uint32 round,
        bytes calldata scores,
        Content calldata model,
        Content calldata report,
        Sanction[] calldata sanctions,
        uint256[] calldata ranking
    ) external;

    /// @notice Object to the evaluation of `round`, the one before (in Closing: the last one), as a member who revealed in
    /// it. Someone else may bring the account's signature over `Object(round,index,blames)`. More than two thirds of those
    /// members undo its model; credits and sanctions stand. Where more than two thirds blame the evaluator, it is removed
    /// and its bond waits; else it stands down for the next one, where there is one.
    function object(uint32 round, uint32 index, bool blames, bytes calldata signature) external;

    /// @notice As the active evaluator, say that an accused one did what it should: its model repeats from what members
    /// handed in. Its bond is its own again, its place is not.
    function clear(uint256 evaluator) external;

    /// @notice Go on with the credits that did not fit the transaction which they come from; anyone may.
    /// @param scores those of the evaluation; empty for an equal split or a bond
    function credit(bytes calldata scores) external;

    /// @notice Open the validation set's digest after the task has ended.
    function openValidation(uint256 evaluator, bytes32 digest, bytes16 salt) external;

    /// @notice Return an evaluator's bond after the task has ended; anyone may. An accused one's is shared by those who
    /// revealed in the objected round, once its successor has had as long as Closing lasts to clear it: all of it, or half
    /// where nobody succeeded it.
    function withdrawBond(uint256 evaluator) external;
}
