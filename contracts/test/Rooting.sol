// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RootedTask} from "../src/RootedTask.sol";
import {TaskFactory} from "../src/TaskFactory.sol";
import {Content, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Rooted tasks, and the moves of an honest rooter
/// @dev Trees are built here level by level, an odd node rising as it is: the contract does not ask for a shape.
abstract contract Rooting is TaskFixture {
    address internal rooter = vm.addr(1_000_006);

    /// @dev What a batch was committed by, for the openings.
    struct Rooted {
        uint256 batch;
        bytes32 root;
        uint256[] members;
        bytes32[] leaves;
    }

    function _makeRooted() internal {
        address rooted = vm.deployCode("RootedTask.sol:RootedTask");
        factory = TaskFactory(
            vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(implementation, address(0), rooted, LEAST))
        );
    }

    function _rootedConfig(uint32 members) internal view returns (TaskConfig memory c) {
        c = _config();
        (c.capacity, c.stake, c.relayed, c.uniqueDigests, c.rooter) = (members, 0, true, false, rooter);
    }

    function _rootedTask() internal view returns (RootedTask) {
        return RootedTask(address(task));
    }

    function _list(string memory what) internal pure returns (Content memory) {
        return Content(keccak256(bytes(what)), 100);
    }

    function _range(uint32 from, uint32 to) internal pure returns (uint32[] memory indices) {
        indices = new uint32[](to - from);
        for (uint32 i; i < indices.length; ++i) {
            indices[i] = from + i;
        }
    }

    function _words(uint32[] memory indices) internal pure returns (uint256[] memory words) {
        uint32 last;
        for (uint256 i; i < indices.length; ++i) {
            if (indices[i] > last) last = indices[i];
        }
        words = new uint256[]((last >> 8) + 1);
        for (uint256 i; i < indices.length; ++i) {
            words[indices[i] >> 8] |= 1 << (indices[i] & 0xff);
        }
    }

    function _leafOf(uint32 index, bytes32 commitment) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(index, commitment))));
    }

    /// @dev The leaves of honest members.
    function _leaves(uint32[] memory indices) internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](indices.length);
        for (uint256 i; i < indices.length; ++i) {
            leaves[i] = _leafOf(indices[i], _commitment(indices[i], _digest(_number(), indices[i]), SIZE));
        }
    }

    function _level(bytes32[] memory nodes) private pure returns (bytes32[] memory parents) {
        parents = new bytes32[]((nodes.length + 1) / 2);
        for (uint256 i; i < parents.length; ++i) {
            (bytes32 a, bytes32 b) = (nodes[2 * i], 2 * i + 1 < nodes.length ? nodes[2 * i + 1] : bytes32(0));
            if (2 * i + 1 == nodes.length) parents[i] = a;
            else parents[i] = a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
        }
    }

    function _rootOf(bytes32[] memory nodes) internal pure returns (bytes32) {
        while (nodes.length > 1) {
            nodes = _level(nodes);
        }
        return nodes[0];
    }

    function _proofOf(bytes32[] memory nodes, uint256 place) internal pure returns (bytes32[] memory proof) {
        bytes32[] memory path = new bytes32[](32);
        uint256 depth;
        for (; nodes.length > 1; place /= 2) {
            uint256 sibling = place ^ 1;
            if (sibling < nodes.length) path[depth++] = nodes[sibling];
            nodes = _level(nodes);
        }
        proof = new bytes32[](depth);
        for (uint256 i; i < depth; ++i) {
            proof[i] = path[i];
        }
    }

    /// @dev The rooter commits for these members.
    function _commitRoot(uint32[] memory indices) internal returns (Rooted memory rooted) {
        rooted.batch = task.round().batches;
        rooted.leaves = _leaves(indices);
        rooted.root = _rootOf(rooted.leaves);
        rooted.members = _words(indices);
        uint32 number = _number();
        vm.prank(rooter);
        _rootedTask().commitRoot(number, rooted.root, _list("commitments"), rooted.members);
    }

    function _revealRoot(Rooted memory rooted, uint32[] memory indices) internal {
        uint32 number = _number();
        uint256[] memory words = _words(indices);
        vm.prank(rooter);
        _rootedTask().revealRoot(number, rooted.batch, rooted.root, rooted.members, _list("openings"), words);
    }

    function _revealProven(Rooted memory rooted, uint32 index, uint256 place) internal {
        bytes memory opening = _opening(index, _digest(_number(), index), SIZE);
        bytes32[] memory proof = _proofOf(rooted.leaves, place);
        _rootedTask().revealProven(_number(), rooted.batch, rooted.root, rooted.members, opening, proof);
    }

    /// @dev Open the commitment that a member made by itself.
    function _revealAlone(uint256 batch, uint32 index) internal {
        bytes32 leaf = _leafOf(index, _commitment(index, _digest(_number(), index), SIZE));
        bytes memory opening = _opening(index, _digest(_number(), index), SIZE);
        _rootedTask().revealProven(_number(), batch, leaf, new uint256[](0), opening, new bytes32[](0));
    }
}
