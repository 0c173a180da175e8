// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Permit, TaskConfig} from "./TaskTypes.sol";

/// @title Makes tasks: deploys, funds and initialises in one transaction
interface ITaskFactory {
    enum Kind {
        Crowdsourcing,
        Consortium
    }

    /// @notice What somebody signs to become a member, brought by anybody.
    struct SignedJoin {
        address account;
        Permit permit;
        bytes signature;
    }

    /// @notice This factory has no implementation of that kind.
    error UnsupportedKind(Kind kind);

    /// @notice None of a batch became a member.
    error NobodyJoined();

    /// @notice All that a member must know of a task, and where it is.
    event TaskCreated(
        address indexed task,
        address indexed publisher,
        address indexed token,
        bytes32 specDigest,
        Kind kind,
        TaskConfig config,
        address[] evaluators,
        uint64 budget
    );

    /// @notice Create a task; the caller is its publisher and pays `budget` (10⁻⁹ token) into its escrow.
    function createTask(
        Kind kind,
        TaskConfig calldata config,
        address[] calldata evaluators,
        uint64 budget,
        Permit calldata permit
    ) external returns (address task);

    /// @notice Bring signed joins to a task, each for itself: one that the task refuses does not keep the others out.
    function joinBatch(address task, SignedJoin[] calldata joins) external;
}
