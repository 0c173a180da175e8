// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ITaskFactory} from "./interfaces/ITaskFactory.sol";
import {ITrainingTask} from "./interfaces/ITrainingTask.sol";
import {
    MAX_COHORT,
    MAX_CONSORTIUM,
    MAX_CONSORTIUM_INDICES,
    MAX_MEMBERS,
    Permit,
    Selection,
    TaskConfig
} from "./interfaces/TaskTypes.sol";
import {TrainingTask} from "./TrainingTask.sol";

/// @title Makes tasks: clones with immutable arguments, funded and initialised in one transaction
contract TaskFactory is ITaskFactory {
    using SafeERC20 for IERC20;

    address public immutable crowdsourcing;
    address public immutable consortium;
    address public immutable rooted;
    /// @notice Seconds that each phase lasts at least: several of the chain's blocks, so that nobody can be kept out of one.
    uint32 public immutable leastDuration;

    /// @param crowdsourcing_ the implementation cloned for crowdsourcing tasks
    /// @param consortium_ the one for consortium tasks; zero: this factory makes none
    /// @param rooted_ the one for crowdsourcing tasks that name a rooter; zero: this factory makes none
    /// @param leastDuration_ seconds, at least one
    constructor(address crowdsourcing_, address consortium_, address rooted_, uint32 leastDuration_) {
        if (crowdsourcing_ == address(0) || leastDuration_ == 0) revert ITrainingTask.InvalidConfig();
        crowdsourcing = crowdsourcing_;
        consortium = consortium_;
        rooted = rooted_;
        leastDuration = leastDuration_;
    }

    /// @inheritdoc ITaskFactory
    function createTask(
        Kind kind,
        TaskConfig calldata config,
        address[] calldata evaluators,
        uint64 budget,
        Permit calldata permit
    ) external returns (address task) {
        address implementation =
            kind == Kind.Consortium ? consortium : config.rooter == address(0) ? crowdsourcing : rooted;
        if (implementation == address(0)) revert UnsupportedKind(kind);
        TaskConfig memory stored = config;
        stored.publisher = msg.sender;
        stored.decimals = IERC20Metadata(stored.token).decimals();
        if (kind == Kind.Consortium) _validateConsortium(stored, evaluators);
        _validate(stored, kind, evaluators.length, budget);
        task = Clones.cloneWithImmutableArgs(implementation, abi.encode(stored));
        emit TaskCreated(task, msg.sender, stored.token, stored.specDigest, kind, stored, evaluators, budget);
        if (permit.deadline != 0) {
            // A front-run permit has set the allowance already: the transfer below decides.
            try IERC20Permit(stored.token)
                .permit(msg.sender, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
                catch {}
        }
        IERC20(stored.token).safeTransferFrom(msg.sender, task, TrainingTask(task).inBaseUnits(budget));
        TrainingTask(task).initialize(evaluators, budget);
    }

    /// @inheritdoc ITaskFactory
    /// @dev Here, where there is room. A join is authorised by its signature, never by the caller, so that the factory has
    /// no right of its own anywhere that `task` could be made to abuse.
    function joinBatch(address task, SignedJoin[] calldata joins) external {
        uint256 joined;
        for (uint256 i; i < joins.length; ++i) {
            try ITrainingTask(task).join(joins[i].account, joins[i].permit, joins[i].signature) {
                ++joined;
            } catch {}
        }
        if (joined == 0) revert NobodyJoined();
    }

    /// @dev Here, where there is room: a task's code is near the limit of what a contract may have.
    function _validate(TaskConfig memory c, Kind kind, uint256 evaluators, uint64 budget) private view {
        // Below nine, an amount of 10⁻⁹ token is no whole number of base units; above 36 nobody's is.
        if (c.decimals < 9 || c.decimals > 36) revert ITrainingTask.UnsupportedToken();
        bool crowd = kind == Kind.Crowdsourcing;
        uint32 least = leastDuration;
        uint256 perRound = c.roundBudget;
        if (
            evaluators == 0 || evaluators > 16 || c.rounds == 0 || c.minTrainers == 0 || c.capacity < c.minTrainers
                || c.capacity > MAX_MEMBERS || c.maxUpdateSize == 0 || (c.rate == 0) == (perRound == 0)
                || c.enrolmentDuration < least || c.trainingDuration < least
                || (c.commitReveal && c.revealDuration < least) || c.evaluationDuration < least
                || (c.aggregator != address(0) && c.aggregationDuration < least) || c.closingDuration < least
                || (c.selection == Selection.All ? c.capacity > MAX_COHORT : c.cohortSize == 0)
                || c.cohortSize > MAX_COHORT || c.vestingRounds > 16
                || (perRound + c.evaluationPool) * c.rounds > budget
                || (crowd && c.bond < (perRound == 0 ? budget / c.rounds : perRound))
                || (crowd && (c.evaluationPool != 0 || c.tolerance != 0))
                || (c.rooter != address(0) && (!crowd || !c.relayed || !c.commitReveal || c.uniqueDigests))
                // All that can ever come in fits a lane, so no sum below can overflow and stop the task.
                || budget + uint256(c.stake) * MAX_MEMBERS + c.bond * (crowd ? evaluators : MAX_CONSORTIUM_INDICES)
                    > type(uint56).max
        ) revert ITrainingTask.InvalidConfig();
    }

    /// @dev What holds for a consortium on top: few members, all of whom judge; the founders can begin, and a
    /// named aggregator is one of them.
    function _validateConsortium(TaskConfig memory c, address[] calldata founders) private view {
        bool valid = founders.length >= 2 && c.minTrainers <= founders.length && c.capacity <= MAX_CONSORTIUM
            && c.selection == Selection.All && !c.relayed && c.rate == 0 && c.revealDuration >= leastDuration
            && c.aggregationDuration >= leastDuration && c.tolerance != 0;
        bool aggregates = c.aggregator == address(0);
        for (uint256 i; i < founders.length; ++i) {
            aggregates = aggregates || founders[i] == c.aggregator;
            for (uint256 j; j < i; ++j) {
                valid = valid && founders[i] != founders[j];
            }
        }
        if (!valid || !aggregates) revert ITrainingTask.InvalidConfig();
    }
}
