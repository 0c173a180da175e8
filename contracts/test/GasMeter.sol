// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Cheats, Vm} from "./Cheats.sol";

/// @title What a call costs as a transaction
/// @dev It costs what it executes, 21,000 and its calldata at 16 gas a byte (4 a zero byte), but no less than 21,000 and
/// 40 (10) gas a byte: EIP-7623. For tests with `isolate`, where every call runs as a transaction of its own, so that
/// slots are cold and refunds counted.
abstract contract GasMeter is Cheats {
    function _transact(address target, address sender, bytes memory call) internal returns (uint256 spent) {
        vm.prank(sender);
        (bool done,) = target.call(call);
        vm.assertTrue(done);
        Vm.Gas memory used = vm.lastCallGas();
        uint256 tokens;
        for (uint256 i; i < call.length; ++i) {
            tokens += call[i] == 0 ? 1 : 4;
        }
        spent = used.gasTotalUsed;
        uint256 floor = 21_000 + 10 * tokens;
        if (spent < floor) spent = floor;
    }
}
