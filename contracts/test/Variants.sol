// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {RewardToken} from "../src/RewardToken.sol";
import {Phase, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Handler} from "./Handler.sol";

/// @title The same moves in tasks that take signed batches, rank the next cohort, name an aggregator, or pay in a token
/// that turns against them
contract Variants is Handler {
    enum Kind {
        Relayed,
        Ranked,
        Aggregated,
        HostileToken
    }

    Kind private _kind;
    uint256 public acts; // of the kind alone

    function setUpAs(Kind kind) external {
        _kind = kind;
        setUp();
    }

    function _vary(TaskConfig memory c) internal override {
        if (_kind == Kind.Relayed) {
            (c.relayed, c.faultSuspension) = (true, 2);
        } else if (_kind == Kind.Ranked) {
            (c.selection, c.cohortSize) = (Selection.ScoreOrder, 3);
        } else if (_kind == Kind.Aggregated) {
            c.aggregator = aggregator;
        } else {
            token = RewardToken(address(new Turncoat()));
            c.token = address(token);
        }
    }

    function _ranking(uint256 dice) internal view override returns (uint256[] memory words) {
        if (_kind != Kind.Ranked || dice & 3 == 0) return words;
        words = new uint256[](1);
        // Three of the first eight indices, whoever they are by now.
        words[0] = 1 << (dice >> 8 & 7) | 1 << (dice >> 16 & 7) | 1 << (dice >> 24 & 7);
    }

    /// @dev Three entries, of which the first is signed by somebody else and the last says the second's again.
    function commitBatch(uint32 index) external watched {
        if (_kind != Kind.Relayed || _phase() != Phase.Training) return;
        index = _member(index);
        uint32 number = _number();
        bytes32 digest = _digest(number, index);
        bytes32 commitment = _commitment(index, digest, SIZE);
        (Member memory member,,,) = _memberAt(index);
        bytes memory signed = _signedEntry(index, commitment, number, _keyOf(member.account));
        bytes memory batch = abi.encodePacked(_signedEntry(index, commitment, number, 99), signed, signed);
        uint256 place = task.round().batches;
        vm.prank(stranger);
        try task.commitBatch(number, batch) {
            uint256 slot = uint256(number) << 32 | index;
            (_has[slot], _batch[slot], _committedDigest[slot]) = (true, place, digest);
            ++acts;
        } catch {}
    }

    function nameModel(bytes32 digest) external watched {
        if (_kind != Kind.Aggregated) return;
        uint32 number = _number();
        vm.prank(aggregator);
        try task.submitModel(number, digest, SIZE) {
            ++acts;
        } catch {}
    }

    function turn(uint8 how) external watched {
        if (_kind != Kind.HostileToken) return;
        Turncoat(address(token)).turn(how, address(task));
        ++acts;
    }

    struct Member {
        address account;
        uint64 stake;
        uint32 since;
    }

    function _memberAt(uint32 index) private view returns (Member memory member, bool active, bool out, bool chosen) {
        (bool done, bytes memory data) = address(task).staticcall(abi.encodeCall(task.memberAt, (index)));
        vm.assertTrue(done);
        return abi.decode(data, (Member, bool, bool, bool));
    }

    function _keyOf(address account) private pure returns (uint256) {
        for (uint32 i; i < 12; ++i) {
            if (_account(i) == account) return _key(i);
        }
        return 1;
    }
}

/// @dev Changes its decimals, takes a fee, refuses to move, or calls back: whenever it is told to.
contract Turncoat is ERC20 {
    uint8 private _how;
    address private _task;

    constructor() ERC20("Turncoat", "TRN") {
        _mint(msg.sender, 1e9 ether);
    }

    function turn(uint8 how, address task) external {
        (_how, _task) = (how % 5, task);
    }

    function decimals() public view override returns (uint8) {
        return _how == 1 ? 6 : 18;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_how == 3) revert ERC20InsufficientBalance(from, 0, value);
        if (_how == 2 && to != address(0) && from != address(0)) {
            super._update(from, to, value - value / 10);
            super._update(from, address(this), value / 10);
        } else {
            super._update(from, to, value);
        }
        if (_how == 4) {
            (bool done,) = _task.call(abi.encodeWithSignature("refund()"));
            done = done;
            (done,) = _task.call(abi.encodeWithSignature("withdrawBond(uint256)", 0));
        }
    }
}
