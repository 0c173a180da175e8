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
    /// @notice The bond waits for the validation set to be opened.
    error ValidationNotOpened();

    /// @notice `validationCommitment` is keccak256(salt ‖ digest of the validation set).
    event EvaluatorBonded(
        uint256 indexed evaluator, address indexed account, uint64 bond, bytes32 validationCommitment
    );
    /// @notice During Evaluation: it was silent, and `slashed` joins the next budget. During Training or Closing:
    /// objections to `round` were upheld, `slashed` is shared equally by those who revealed in it (the remainder goes
    /// to the lowest index), and the model is again the one that it began with.
    event EvaluatorRemoved(uint32 indexed round, uint256 indexed evaluator, uint64 slashed);
    /// @notice `count` members have objected to the evaluation of `round` so far.
    event Objected(uint32 indexed round, uint32 indexed index, uint256 count);
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

    /// @notice Object to the evaluation of the round before (in Closing: of the last one), as a member who revealed in
    /// it. Someone else may bring the account's signature over `Object(round,index)`. More than two thirds of those
    /// members remove the evaluator, share its bond and undo its model; credits and sanctions stand.
    function object(uint32 index, bytes calldata signature) external;

    /// @notice Open the validation set's digest after the task has ended.
    function openValidation(uint256 evaluator, bytes32 digest, bytes16 salt) external;

    /// @notice Return an evaluator's bond after the task has ended; anyone may.
    function withdrawBond(uint256 evaluator) external;
}
