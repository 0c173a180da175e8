// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ITrainingTask} from "./interfaces/ITrainingTask.sol";
import {Permit, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Lanes} from "./libraries/Lanes.sol";

/// @title Budgets, credits, vesting, stakes and bonds of one task
/// @dev Own accounting in 10⁻⁹ token after the initial balance check; nobody has a key to it. Invariant:
/// escrow + credits + stakes + bonds, in base units, never exceed the task's balance.
abstract contract Escrow is ITrainingTask {
    using SafeERC20 for IERC20;

    uint256 private constant CLONE_PREFIX = 0x2d; // bytes of OpenZeppelin's clone before its arguments
    uint256 private constant CONFIG_SIZE = 31 * 32; // `TaskConfig`, a word a field

    struct Ledger {
        uint64 escrow; // nobody's yet
        uint64 credits; // members' rewards, vested or not
        uint64 stakes;
        uint64 bonds;
    }

    Ledger internal _ledger;

    /// @dev Credits that nothing can take away, four members to a slot.
    mapping(uint256 slot => uint256 lanes) internal _credits;

    /// @dev Credits that have not vested: a ring of lanes, each slot tagged with its round. One place more than
    /// `vestingRounds`, so that a round's credits do not push out those that its evaluation may forfeit.
    mapping(uint256 ring => mapping(uint256 slot => uint256 lanes)) internal _unvested;

    /// @notice The task's `TaskConfig`, ABI-encoded, as appended to the clone's code.
    function configuration() external view returns (bytes memory) {
        return Clones.fetchCloneArgs(address(this));
    }

    /// @dev A struct of static fields has the same layout in memory as in the ABI, and the factory encoded a
    /// checked one: copying it saves 1 kB of code and 2k gas a call against `abi.decode`.
    function _config() internal view returns (TaskConfig memory c) {
        assembly ("memory-safe") {
            extcodecopy(address(), c, CLONE_PREFIX, CONFIG_SIZE)
        }
    }

    /// @notice What the task owes and holds, in 10⁻⁹ token.
    function ledger() external view returns (Ledger memory) {
        return _ledger;
    }

    /// @notice `amount` of 10⁻⁹ token in the token's base units.
    function inBaseUnits(uint64 amount) public view returns (uint256) {
        uint8 decimals = IERC20Metadata(_config().token).decimals();
        if (decimals < 9) revert UnsupportedToken();
        return uint256(amount) * 10 ** (decimals - 9);
    }

    /// @notice What the member could withdraw now, and what has not vested yet.
    function creditOf(uint32 index) external view returns (uint64 vested, uint64 unvested) {
        uint256 slot = index >> 2;
        uint256 lane = index & 3;
        vested = Lanes.get64(_credits[slot], lane);
        uint256 vestingRounds = _config().vestingRounds;
        for (uint256 ring; ring <= vestingRounds; ++ring) {
            uint256 word = _unvested[ring][slot];
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

    /// @dev Add one slot's credits of `round`: up to four amounts, 64 bits each.
    function _creditSlot(uint256 slot, uint256 amounts, uint32 round, uint256 vestingRounds) internal {
        if (vestingRounds == 0) {
            unchecked {
                _credits[slot] += amounts; // no lane carries: all that ever comes in fits 56 bits
            }
            return;
        }
        uint256 ring = round % (vestingRounds + 1);
        uint256 old = _unvested[ring][slot];
        if (old << 32 != 0) _credits[slot] = Lanes.addAll(_credits[slot], old);
        uint256 word = uint256(round) << 224;
        for (uint256 lane; lane < 4; ++lane) {
            word |= uint256(Lanes.get64(amounts, lane)) << (lane * 56);
        }
        _unvested[ring][slot] = word;
    }

    /// @dev Empty the member's vested credits.
    function _takeVested(uint256 index, uint256 vestingRounds) internal returns (uint64 amount) {
        uint256 slot = index >> 2;
        uint256 lane = index & 3;
        uint256 word = _credits[slot];
        amount = Lanes.get64(word, lane);
        if (amount != 0) _credits[slot] = Lanes.clear64(word, lane);
        if (vestingRounds == 0) return amount;
        for (uint256 ring; ring <= vestingRounds; ++ring) {
            word = _unvested[ring][slot];
            uint64 part = Lanes.get56(word, lane);
            if (part != 0 && _hasVested(Lanes.tag(word), vestingRounds)) {
                amount += part;
                _unvested[ring][slot] = Lanes.clear56(word, lane);
            }
        }
    }

    /// @dev Return the member's unvested credits, those of the `vestingRounds` rounds before `round`, to the
    /// escrow.
    function _forfeit(uint256 index, uint32 round, uint256 vestingRounds) internal returns (uint64 amount) {
        uint256 slot = index >> 2;
        uint256 lane = index & 3;
        for (uint256 ring; ring <= vestingRounds; ++ring) {
            uint256 word = _unvested[ring][slot];
            uint64 part = Lanes.get56(word, lane);
            if (part != 0 && uint256(Lanes.tag(word)) + vestingRounds >= round) {
                amount += part;
                _unvested[ring][slot] = Lanes.clear56(word, lane);
            }
        }
        _ledger.credits -= amount;
        _ledger.escrow += amount;
    }

    /// @dev Take `amount` from `account`, with a permit where one is given.
    function _pull(address account, uint64 amount, Permit calldata permit) internal {
        if (amount == 0) return;
        IERC20 token = IERC20(_config().token);
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
        if (amount != 0) IERC20(_config().token).safeTransfer(account, inBaseUnits(amount));
    }
}
