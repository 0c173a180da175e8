// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TrainingTask} from "./TrainingTask.sol";
import {ICrowdsourcingTask} from "./interfaces/ICrowdsourcingTask.sol";
import {Credits} from "./libraries/Credits.sol";

/// @title What scores, equal splits and forfeited bonds pay
/// @notice A payout leaves the escrow at once; its credits are written as far as a transaction surely holds, the others by
/// whoever calls `credit`, before the next payout.
abstract contract Rewards is TrainingTask, ICrowdsourcingTask {
    /// @inheritdoc ICrowdsourcingTask
    function credit(bytes calldata scores) external {
        Credits.Due memory due = _book.due;
        if (due.payout == 0 || keccak256(scores) != _book.scores) revert NothingToCredit();
        _write(due, scores);
    }

    /// @dev Pay the round by its scores, or without them in equal parts.
    function _payRound(bytes calldata scores) internal returns (uint64) {
        return _begin(Credits.Due(0, _round.number, 0, false), scores);
    }

    /// @dev Share a bond equally among all who revealed in the round.
    function _forfeitBond(uint256 evaluator, uint32 roundNumber, uint64 amount) internal {
        _ledger.credits += amount;
        emit BondForfeited(roundNumber, evaluator, amount);
        _begin(Credits.Due(amount, roundNumber, 0, true), msg.data[:0]);
    }

    function _begin(Credits.Due memory due, bytes calldata scores) private returns (uint64) {
        if (_book.due.payout != 0) revert CreditsPending(_book.due.round);
        return _write(due, scores);
    }

    function _write(Credits.Due memory due, bytes calldata scores) private returns (uint64) {
        return Credits.write(_book, _ledger, _population, _revealed, _disowned, due, scores);
    }
}
