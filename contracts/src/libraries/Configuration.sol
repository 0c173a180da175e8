// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TaskConfig} from "../interfaces/TaskTypes.sol";

/// @title The `TaskConfig` of the clone at hand, which is appended to its code
library Configuration {
    uint256 private constant CLONE_PREFIX = 0x2d; // bytes of OpenZeppelin's clone before its arguments
    uint256 private constant SIZE = 33 * 32; // `TaskConfig`, a word a field

    /// @dev A struct of static fields has the same layout in memory as in the ABI, and the factory encoded a
    /// checked one: copying it saves 1 kB of code and 2k gas a call against `abi.decode`.
    function load() internal view returns (TaskConfig memory c) {
        assembly ("memory-safe") {
            extcodecopy(address(), c, CLONE_PREFIX, SIZE)
        }
    }
}
