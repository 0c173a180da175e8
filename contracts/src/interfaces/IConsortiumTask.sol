// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A task whose members judge each other: vectors of scores are committed, opened and settled by their medians
/// @notice A round's judges are its cohort, of A members. Its targets are those who revealed a digest of their own. The
/// list of the factory's `createTask` are the founders: who may join.
interface IConsortiumTask {
    /// @notice The account is not on the list of those who may join, or no active member.
    error NotAllowed(address account);
    /// @notice The member has committed its scores of this round already.
    error ScoresAlreadyCommitted(uint32 index);
    /// @notice The member has committed no scores in this round.
    error ScoresNotCommitted(uint32 index);
    /// @notice The member's scores are open already.
    error ScoresAlreadyRevealed(uint32 index);
    /// @notice There must be exactly one score (8 bytes) for each target but the judge itself.
    error WrongScoreCount(uint256 expected);
    /// @notice The opening is not the one committed.
    error WrongOpening();
    /// @notice The member has voted already: for a model in this round, or for the proposal.
    error AlreadyVoted(uint32 index);
    /// @notice The named aggregator has proposed no model in this round, or another one.
    error NotProposed(bytes32 digest);
    /// @notice There is no such proposal, or it has passed.
    error UnknownProposal(uint256 proposal);

    event ScoresCommitted(uint32 indexed round, uint32 indexed index, bytes32 commitment);
    /// @notice `scores`: int64 in 10⁻⁹, 8 bytes for each target but the judge itself in index order.
    event ScoresRevealed(uint32 indexed round, uint32 indexed index, bytes32 probeDigest, bytes scores);
    /// @notice `scores`: int64 in 10⁻⁹, 8 bytes for each revealed member in index order; `pays`: uint64, 8 bytes for each
    /// judge who opened, in index order. Both are empty after an equal split. `payout` and `evaluationPayout` are what
    /// members were credited for their updates and for judging.
    event ScoresSettled(uint32 indexed round, uint64 payout, uint64 evaluationPayout, bytes scores, bytes pays);
    /// @notice Scores committed and not opened.
    event BondSlashed(uint32 indexed round, uint32 indexed index, uint64 amount);
    /// @notice What stood for the member's scores went back to it.
    event MemberBondReturned(uint32 indexed index, uint64 amount);
    event MemberProposed(uint256 indexed proposal, address indexed account, bool admit, uint32 indexed proposer);
    /// @notice The proposer's own vote too. A vote with `passed` makes the proposal take effect.
    event MemberVoted(uint256 indexed proposal, uint32 indexed index, bool passed);

    /// @notice Commit to the scores of this round's targets, as an active member of its cohort: keccak256(abi.encode(
    /// chainId, task, round, index, probeDigest, keccak256(scores), salt)) with 16 bytes of salt.
    function commitScores(uint32 round, uint32 index, bytes32 commitment) external;

    /// @notice Open a committed vector; anyone may, the opening authenticates itself.
    /// @param probeDigest digest of what the targets' models answer on the round's probe
    /// @param scores int64 in 10⁻⁹, 8 bytes for each target but the judge itself, in index order
    function revealScores(uint32 round, uint32 index, bytes32 probeDigest, bytes calldata scores, bytes16 salt) external;

    /// @notice Propose, as an active member once the rounds have begun, to put an account on the list of those who may
    /// join, or to take it off and out. It counts as the proposer's vote.
    function propose(address account, bool admit) external returns (uint256 proposal);

    /// @notice Vote for a proposal, as an active member, once. It passes with more than half of the active members.
    function vote(uint256 proposal) external;

    /// @notice Return a member's bond, once the task has ended or the member has gone and owes no opening; anyone may.
    function withdrawBond(uint256 index) external;
}
