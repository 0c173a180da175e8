// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TrainingTask} from "./TrainingTask.sol";
import {ICrowdsourcingTask} from "./interfaces/ICrowdsourcingTask.sol";
import {Population, Sanction, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";

/// @title Suspensions and ejections of a crowd's members, and their limits
abstract contract Sanctions is TrainingTask, ICrowdsourcingTask {
    using Bitmaps for mapping(uint256 => uint256);

    /// @dev Reason code of a suspension that the contract itself decides.
    uint8 internal constant REASON_NOT_REVEALED = 1;

    function _suspend(uint32 round, uint32 index, uint32 rounds, uint8 reason, bytes32 evidence) internal {
        uint256 end = uint256(round) + 1 + rounds;
        uint32 until = end > type(uint32).max ? type(uint32).max : uint32(end);
        _suspended.add(index);
        _paroles[until].add(index);
        ++_population.suspended;
        emit TrainerSuspended(round, index, until, reason, evidence);
    }

    /// @dev Apply the evaluator's sanctions within their limits: ejection only of those suspended before this
    /// round, at most a quarter of the active members; neither may leave fewer than `minTrainers`. What exceeds
    /// a limit or names someone who has left is skipped: reverting would let members who leave at the right
    /// moment undo the evaluator's transaction. Ejections go first, so that no member is suspended and ejected
    /// at once.
    function _sanction(uint32 round, Sanction[] calldata sanctions, TaskConfig memory c, bool last) internal {
        Population storage p = _population;
        uint256 quarter = p.active / 4;
        for (uint256 i; i < 2 * sanctions.length; ++i) {
            bool ejection = i < sanctions.length;
            Sanction calldata s = sanctions[ejection ? i : i - sanctions.length];
            uint32 index = s.index;
            if (ejection != (s.rounds == 0) || !_active.has(index)) continue;
            bool suspended = _suspended.has(index);
            if (!ejection) {
                if (suspended) revert SanctionNotAllowed(index);
                if (p.active - p.suspended > c.minTrainers) _suspend(round, index, s.rounds, s.reason, s.evidence);
                continue;
            }
            if (!suspended || _cohort.has(index)) revert SanctionNotAllowed(index);
            if (quarter == 0 || p.active <= c.minTrainers) continue;
            --quarter;
            _suspended.remove(index);
            --p.suspended;
            _eject(round, index, s.reason, s.evidence, last, c);
        }
    }
}
