// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ITrainingTask} from "./interfaces/ITrainingTask.sol";
import {Ledger, Permit, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Credits} from "./libraries/Credits.sol";
import {Lanes} from "./libraries/Lanes.sol";

/// @title Budgets, credits, vesting, stakes and bonds of one task
/// @dev Own accounting in 10⁻⁹ token after the initial balance check; nobody has a key to it. Invariant:
/// escrow + credits + stakes + bonds, in base units, never exceed the task's balance.
abstract contract Escrow is ITrainingTask {
    using SafeERC20 for IERC20;

    Ledger internal _ledger;

    Credits.Book internal _book;

    /// @notice The task's `TaskConfig`, ABI-encoded, as appended to the clone's code.
    function configuration() external view returns (bytes memory) {
        return Clones.fetchCloneArgs(address(this));
    }

    /// @notice What the task owes and holds, in 10⁻⁹ token.
    function ledger() external view returns (Ledger memory) {
        return _ledger;
    }

    /// @notice `amount` of 10⁻⁹ token in the token's base units.
    function inBaseUnits(uint64 amount) public view returns (uint256) {
        return uint256(amount) * 10 ** (Configuration.load().decimals - 9);
    }

    /// @notice What the member could withdraw now, and what has not vested yet.
    function creditOf(uint32 index) external view returns (uint64 vested, uint64 unvested) {
        uint256 slot = index >> 2;
        uint256 lane = index & 3;
        vested = Lanes.get64(_book.vested[slot], lane);
        uint256 vestingRounds = Configuration.load().vestingRounds;
        for (uint256 ring; ring <= vestingRounds; ++ring) {
            uint256 word = _book.unvested[ring][slot];
            uint64 amount = Lanes.get56(word, lane);
            if (_hasVested(Lanes.tag(word), vestingRounds)) vested += amount;
            else unvested += amount;
        }
    }

    /// @dev Rounds whose last transaction has been made; all of them once the task has ended.
    function _finalizedRounds() internal view virtual returns (uint32);

    function _hasEnded() internal view virtual returns (bool);

    function _hasVested(uint32 round, uint256 vestingRounds) private view returns (bool) {
        return _hasEnded() || uint256(round) + vestingRounds <= _finalizedRounds();
    }

    /// @dev Empty the member's vested credits.
    function _takeVested(uint256 index, uint256 vestingRounds) internal returns (uint64 amount) {
        uint256 slot = index >> 2;
        uint256 lane = index & 3;
        uint256 word = _book.vested[slot];
        amount = Lanes.get64(word, lane);
        if (amount != 0) _book.vested[slot] = Lanes.clear64(word, lane);
        if (vestingRounds == 0) return amount;
        for (uint256 ring; ring <= vestingRounds; ++ring) {
            word = _book.unvested[ring][slot];
            uint64 part = Lanes.get56(word, lane);
            if (part != 0 && _hasVested(Lanes.tag(word), vestingRounds)) {
                amount += part;
                _book.unvested[ring][slot] = Lanes.clear56(word, lane);
            }
        }
    }

    /// @dev Return the member's unvested credits, those of the `vestingRounds` rounds before `round`, to the
    /// escrow.
    function _forfeit(uint256 index, uint32 round, uint256 vestingRounds) internal returns (uint64 amount) {
        uint256 slot = index >> 2;
        uint256 lane = index & 3;
        for (uint256 ring; ring <= vestingRounds; ++ring) {
            uint256 word = _book.unvested[ring][slot];
            uint64 part = Lanes.get56(word, lane);
            if (part != 0 && uint256(Lanes.tag(word)) + vestingRounds >= round) {
                amount += part;
                _book.unvested[ring][slot] = Lanes.clear56(word, lane);
            }
        }
        _ledger.credits -= amount;
        _ledger.escrow += amount;
    }

    /// @dev Take `amount` from `account`, with a permit where one is given.
    function _pull(address account, uint64 amount, Permit calldata permit) internal {
        if (amount == 0) return;
        IERC20 token = IERC20(Configuration.load().token);
        if (permit.deadline != 0) {
            try IERC20Permit(address(token))
                .permit(account, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
                catch {}
        }
        uint256 before = token.balanceOf(address(this));
        uint256 units = inBaseUnits(amount);
        token.safeTransferFrom(account, address(this), units);
        if (token.balanceOf(address(this)) - before != units) revert UnsupportedToken();
    }

    function _push(address account, uint64 amount) internal {
        if (amount != 0) IERC20(Configuration.load().token).safeTransfer(account, inBaseUnits(amount));
    }
}
