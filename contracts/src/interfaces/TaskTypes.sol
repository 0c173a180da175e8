// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

uint256 constant MAX_MEMBERS = 65_536; // of a task, past ones included
uint256 constant MAX_COHORT = 2_048; // of a round
uint256 constant MAX_CONSORTIUM = 16; // active members of a consortium
uint256 constant MAX_CONSORTIUM_INDICES = 256; // members of a consortium, past ones included: one word of bitmaps

/// @notice Where a task stands. A round goes Training → Reveal → Evaluation (→ ScoreReveal) (→ Aggregation).
enum Phase {
    Enrolment,
    Training,
    Reveal,
    Evaluation,
    ScoreReveal,
    Aggregation,
    Closing,
    Completed,
    Cancelled
}

/// @notice How the next round's cohort is drawn.
enum Selection {
    All, // every eligible member
    Random, // `cohortSize` of them, by the task's seed
    FirstCome, // the `cohortSize` who joined first
    ScoreOrder // the evaluator's ranking: exactly `cohortSize` eligible members
}

/// @notice Everything about a task that never changes; amounts are in 10⁻⁹ token, durations in seconds.
struct TaskConfig {
    address token;
    address publisher;
    // Names the next model, in a consortium before its members vote for it; zero: in a crowd the evaluator, in the
    // transaction that scores, in a consortium whoever votes first.
    address aggregator;
    // Posts roots of relayed commitments, whose entries are in the store; zero: the entries come to the contract.
    address rooter;
    bytes32 specDigest; // content digest of the specification that members have read
    uint32 specSize;
    bytes32 genesisDigest;
    uint32 genesisSize;
    uint32 maxUpdateSize; // bytes; a larger opening is not one
    uint32 rounds;
    uint32 capacity; // active members at most
    uint32 minTrainers;
    uint32 cohortSize; // for every selection but All
    Selection selection;
    bool relayed; // commitments may be signed and batched; a fault then suspends instead of slashing
    bool commitReveal; // false: updates are submitted in the open, so that the effect can be measured
    bool uniqueDigests; // a digest belongs to its earliest commitment
    bool publicAudit; // an evaluator's bond waits until its validation set is opened
    uint8 vestingRounds; // credits of the last rounds that an ejection forfeits
    uint32 faultSuspension; // rounds, for committed and not opened in a relayed task
    uint64 stake; // a member's
    uint64 bond; // an evaluator's, at least one round's budget; in a consortium every member's
    uint64 rate; // paid per score unit (10⁻⁹ token per 1.0); used when roundBudget is zero
    uint64 roundBudget; // a fixed budget per round; zero: by rate
    uint64 evaluationPool; // of a consortium: paid per round to its judges together, on top of roundBudget
    uint64 tolerance; // of a consortium: from this distance (10⁻⁹) to the settled scores on, a judge is not paid
    uint32 enrolmentDuration;
    uint32 trainingDuration;
    uint32 revealDuration;
    uint32 evaluationDuration;
    uint32 aggregationDuration;
    uint32 closingDuration;
    uint8 decimals; // of the token; the factory's, so that a token cannot change it later
}

/// @notice A content in the store: sha2-256 of its UnixFS root block, and its size in bytes.
struct Content {
    bytes32 digest;
    uint32 size;
}

/// @notice What an evaluator does to a member; `rounds` zero ejects, else suspends for that many rounds.
struct Sanction {
    uint32 index;
    uint32 rounds;
    uint8 reason;
    bytes32 evidence;
}

/// @notice An ERC-2612 permit for the stake or the bond; `deadline` zero means none.
struct Permit {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice What a task owes and holds, in 10⁻⁹ token.
struct Ledger {
    uint64 escrow; // nobody's yet
    uint64 credits; // members' rewards, vested or not
    uint64 stakes;
    uint64 bonds;
}

/// @notice Counts of members, and what goes with them in one slot.
struct Population {
    uint32 members; // indices given out
    uint32 active; // neither left nor ejected
    uint32 suspended; // active, but out for a while
    bool ranked; // the coming cohort was chosen by the evaluator
    uint64 bonus; // slashed and forfeited, not paid yet: joins what later rounds pay
    uint32 modelSize; // here, because every round reads this slot and the model's digest fills its own
    bool moved; // somebody came or went since the cohort was drawn
    uint32 formerSize; // of the model before, which an objection brings back
    uint16 free; // the first index that is free again, plus 1
}
