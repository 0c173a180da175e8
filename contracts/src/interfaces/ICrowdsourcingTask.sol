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
    /// @notice The bond waits for the validation set to be opened.
    error ValidationNotOpened();

    /// @notice `validationCommitment` is keccak256(salt ‖ digest of the validation set).
    event EvaluatorBonded(
        uint256 indexed evaluator, address indexed account, uint64 bond, bytes32 validationCommitment
    );
    event EvaluatorRemoved(uint32 indexed round, uint256 indexed evaluator, uint64 slashed);
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

    /// @notice Open the validation set's digest after the task has ended.
    function openValidation(uint256 evaluator, bytes32 digest, bytes16 salt) external;

    /// @notice Return an evaluator's bond after the task has ended; anyone may.
    function withdrawBond(uint256 evaluator) external;
}
