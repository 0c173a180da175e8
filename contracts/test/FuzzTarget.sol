// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Cheats} from "./Cheats.sol";

/// @title What forge asks of a contract with invariants: whom to call, and which functions
abstract contract FuzzTarget is Cheats {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function _target() internal view virtual returns (address);

    /// @dev Whole rounds must be likely in a short run, so the moves of all are listed more than once.
    function _moves() internal view virtual returns (bytes4[] memory);

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = _target();
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(_target(), _moves());
    }
}
