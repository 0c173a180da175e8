// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Permit, Phase} from "./TaskTypes.sol";

/// @title What every training task promises, whoever scores it
/// @notice Amounts in events are in 10⁻⁹ token. Events are past tense, one per state change or batch, and
/// enough to fold the whole state without calls.
interface ITrainingTask {
    // ---------------------------------------------------------------- errors

    /// @notice The action belongs to another phase.
    error WrongPhase(Phase current);
    /// @notice The phase's deadline has passed; call `advance()`.
    error DeadlinePassed(uint256 deadline);
    /// @notice The phase's deadline has not come yet.
    error DeadlineNotReached(uint256 deadline);
    /// @notice The action names a round that is not the current one.
    error WrongRound(uint32 current);
    /// @notice Only the publisher may do this.
    error NotPublisher(address caller);
    /// @notice The caller or signer is not that member.
    error NotMember(uint32 index);
    /// @notice The member is not in this round's cohort.
    error NotInCohort(uint32 index);
    /// @notice The account is a member already, or was one: an account joins a task once.
    error AlreadyMember(address account);
    /// @notice As many members as the task takes.
    error TaskFull();
    /// @notice The member has committed in this round; leave once it is over and judged.
    error CommittedThisRound(uint32 index);
    /// @notice The member has committed already.
    error AlreadyCommitted(uint32 index);
    /// @notice The signature does not come from the account.
    error InvalidSignature();
    /// @notice The task does not take relayed commitments.
    error RelayNotAllowed();
    /// @notice The task does (or does not) use commit and reveal.
    error CommitRevealMismatch();
    /// @notice No entry of the batch could be accepted, or none is opened that was not open before.
    error NothingAccepted();
    /// @notice The packed entries have a wrong length, number or tag.
    error MalformedBatch();
    /// @notice There is no such batch in this round, or the entries, opened ones as their openings say, are not
    /// those committed.
    error UnknownBatch(uint256 batch);
    /// @notice An update is larger than the task takes.
    error UpdateTooLarge(uint32 size);
    /// @notice A suspended member keeps its place until its suspension, or the task, ends.
    error MemberSuspended(uint32 index);
    /// @notice Only a member suspended before this round can be ejected, only one not suspended be suspended.
    error SanctionNotAllowed(uint32 index);
    /// @notice The ranking is longer than the members' bitmap, names more than `cohortSize` or is not asked for.
    error InvalidRanking();
    /// @notice Only the named aggregator may do this.
    error NotAggregator(address caller);
    /// @notice The task has not ended yet.
    error TaskNotEnded();
    /// @notice The configuration contradicts itself.
    error InvalidConfig();
    /// @notice The token moved another amount than asked, or has too few decimals.
    error UnsupportedToken();
    /// @notice The task was initialised before.
    error AlreadyInitialized();

    // ---------------------------------------------------------------- membership

    /// @notice `index` is the member's for ever; it is eligible from the next round.
    event TrainerJoined(uint32 indexed index, address indexed account, uint64 stake);
    /// @notice `forfeited` is what had not vested. An index that was never in a cohort may be given out again.
    event TrainerLeft(uint32 indexed index, uint64 forfeited);
    /// @notice Out of the cohort until `untilRound` starts.
    event TrainerSuspended(
        uint32 indexed round, uint32 indexed index, uint32 untilRound, uint8 reason, bytes32 evidence
    );
    /// @notice `members` is a bitmap of the 256 indices from 256 · `word` on.
    event TrainersReinstated(uint32 indexed round, uint256 word, uint256 members);
    /// @notice `forfeited` is what had not vested.
    event TrainerEjected(uint32 indexed round, uint32 indexed index, uint8 reason, bytes32 evidence, uint64 forfeited);
    /// @notice Committed and not opened.
    event StakeSlashed(uint32 indexed round, uint32 indexed index, uint64 amount);
    event StakeReturned(uint32 indexed index, uint64 amount);

    // ---------------------------------------------------------------- rounds

    /// @notice `cohort` is a bitmap of member indices, 256 a word, lowest word first.
    event RoundStarted(uint32 indexed round, bytes32 modelDigest, uint32 modelSize, uint40 deadline, uint256[] cohort);
    /// @notice Of Training: everybody has committed, and the deadline is now that of the objections.
    event PhaseStarted(uint32 indexed round, Phase indexed phase, uint40 deadline);
    /// @notice `entries`: index (4 bytes) ‖ commitment (32), in order of position from `firstPosition`.
    event UpdatesCommitted(uint32 indexed round, uint32 indexed batch, uint32 firstPosition, bytes entries);
    /// @notice `updates`: index (4 bytes) ‖ digest (32) ‖ size (4) ‖ commit position (4).
    event UpdatesSubmitted(uint32 indexed round, bytes updates);
    /// @notice `payout` is what the round credited in all; a void round keeps the model and pays nothing.
    event RoundFinalized(uint32 indexed round, bytes32 modelDigest, uint32 modelSize, uint64 payout);
    /// @notice The named aggregator's, or in a consortium a member's vote. Where the evaluator names the model itself,
    /// `RoundFinalized` says it.
    event ModelSubmitted(uint32 indexed round, address indexed account, bytes32 digest, uint32 size);
    event CancelRequested();
    event TaskCompleted();
    event TaskCancelled(uint8 reason);

    // ---------------------------------------------------------------- money

    event RewardWithdrawn(uint32 indexed index, uint64 amount);
    event EscrowReturned(uint64 amount);

    // ---------------------------------------------------------------- actions

    /// @notice Become a member. Someone else may bring the account's signature over `Join(account)`.
    function join(address account, Permit calldata permit, bytes calldata signature) external;

    /// @notice Stop being one; the stake comes back, what has not vested is forfeited. Not while a round in which the
    /// member has committed is under way. The signed form is `Leave(round,index)`.
    function leave(uint32 round, uint32 index, bytes calldata signature) external;

    /// @notice Commit to the round's update. Every act of a member names its round and reverts in another.
    function commit(uint32 round, uint32 index, bytes32 commitment) external;

    /// @notice Relay signed commitments: index (4) ‖ commitment (32) ‖ r (32) ‖ s (32) ‖ v (1) each, 256 at most.
    /// Bad and doubled entries are skipped.
    function commitBatch(uint32 round, bytes calldata entries) external;

    /// @notice Open commitments of one batch; anyone may. `entries` are all of its `UpdatesCommitted`, in their
    /// order, each opened: 0x01 ‖ index (4) ‖ digest (32) ‖ size (4) ‖ salt (16), or left closed:
    /// 0x00 ‖ index (4) ‖ commitment (32). Those open already and those too large are skipped. A wrong opening
    /// reverts the call and is nobody's fault: check an opening before bringing it with others.
    function reveal(uint32 round, uint256 batch, bytes calldata entries) external;

    /// @notice Submit in the open, where the task does without commit and reveal.
    function submit(uint32 round, uint32 index, bytes32 digest, uint32 size) external;

    /// @notice The named aggregator's next model; in a consortium a member's vote for one.
    function submitModel(uint32 round, bytes32 digest, uint32 size) external;

    /// @notice Move on when the deadline has passed; anyone may. After a Reveal in which many commitments were not
    /// opened, a call punishes some of them and another goes on.
    function advance() external;

    /// @notice The publisher's wish to stop, honoured at the next round boundary.
    function cancel() external;

    /// @notice Pay members what they have earned, and their stakes once the task has ended; anyone may.
    function withdraw(uint32[] calldata indices) external;

    /// @notice Once the task has ended, return to the publisher what nobody earned, less what was slashed or
    /// forfeited and came to no budget: that is nobody's. Anyone may.
    function refund() external;
}
