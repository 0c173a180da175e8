// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RootedTask} from "../src/RootedTask.sol";
import {TaskFactory} from "../src/TaskFactory.sol";
import {IRootedTask} from "../src/interfaces/IRootedTask.sol";
import {ITaskFactory} from "../src/interfaces/ITaskFactory.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Rooting} from "./Rooting.sol";

/// @title Roots of commitments and of openings: who may post them, for whom, and who acts without the rooter
contract RootedTest is Rooting {
    function setUp() public override {
        super.setUp();
        _makeRooted();
    }

    function _begun(uint32 members) private {
        TaskConfig memory c = _rootedConfig(members);
        _create(c);
        _bond(0);
        for (uint32 i; i < members; ++i) {
            vm.prank(_account(i));
            task.join(_account(i), _noPermit(), "");
        }
        _assertPhase(Phase.Training);
    }

    function _two(uint32 a, uint32 b) private pure returns (uint32[] memory both) {
        both = new uint32[](2);
        (both[0], both[1]) = (a, b);
    }

    // ---------------------------------------------------------------- making one

    function test_OnlyATaskThatCanBeRootedNamesARooter() public {
        for (uint256 i; i < 3; ++i) {
            TaskConfig memory c = _rootedConfig(4);
            if (i == 0) c.relayed = false;
            else if (i == 1) c.commitReveal = false;
            else c.uniqueDigests = true;
            vm.expectRevert(ITrainingTask.InvalidConfig.selector);
            factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
        }
    }

    function test_AFactoryWithoutTheImplementationMakesNone() public {
        TaskFactory other = TaskFactory(
            vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(implementation, address(0), address(0), LEAST))
        );
        bytes memory reason =
            abi.encodeWithSelector(ITaskFactory.UnsupportedKind.selector, ITaskFactory.Kind.Crowdsourcing);
        vm.expectRevert(reason);
        other.createTask(ITaskFactory.Kind.Crowdsourcing, _rootedConfig(4), _evaluators(), BUDGET, _noPermit());
    }

    function test_EntriesDoNotComeToARootedTask() public {
        _begun(4);
        uint32 number = _number();
        vm.expectRevert(IRootedTask.RootsOnly.selector);
        task.commitBatch(number, new bytes(101));
        vm.expectRevert(IRootedTask.RootsOnly.selector);
        task.submit(number, 0, bytes32(0), 0);
        _commit(0);
        _advance();
        vm.expectRevert(IRootedTask.RootsOnly.selector);
        task.reveal(number, 0, new bytes(57));
    }

    // ---------------------------------------------------------------- a round

    function test_ARoundOfRootsIsScoredAndPaidAsAnyOther() public {
        _begun(4);
        Rooted memory rooted = _commitRoot(_range(0, 4));
        _assertPhase(Phase.Reveal);
        _revealRoot(rooted, _range(0, 4));
        _assertPhase(Phase.Evaluation);
        _evaluate(_scores(1e9, 2e9, 3e9, 4e9));
        vm.assertEq(_vested(0), 25 * ONE);
        vm.assertEq(_vested(3), 100 * ONE);
        vm.assertEq(_number(), 2);
    }

    function test_RootsSayWhoTheyAreOf() public {
        _begun(4);
        uint256[] memory words = _words(_two(1, 3));
        bytes32 root = _rootOf(_leaves(_two(1, 3)));
        _commit(0);
        vm.expectEmit(address(task));
        emit IRootedTask.RootCommitted(1, 1, 1, root, _list("commitments").digest, 100, words);
        _commitRoot(_two(1, 3));
        (bool committed, bool revealed,) = task.intakeOf(1, 3);
        vm.assertTrue(committed);
        vm.assertFalse(revealed);
        _advance();
        vm.expectEmit(address(task));
        emit IRootedTask.RootRevealed(1, 1, _list("openings").digest, 100, words);
        vm.prank(rooter);
        _rootedTask().revealRoot(1, 1, root, words, _list("openings"), words);
        (, revealed,) = task.intakeOf(1, 3);
        vm.assertTrue(revealed);
        vm.assertEq(task.round().revealed, 2);
    }

    function test_WhoCannotCommitIsLeftOut() public {
        _begun(4);
        _commit(1);
        Rooted memory rooted = _commitRoot(_range(0, 6)); // 1 has committed, 4 and 5 are nobody
        vm.assertEq(task.round().committed, 4);
        _assertPhase(Phase.Reveal);
        (bool committed,,) = task.intakeOf(1, 4);
        vm.assertFalse(committed);
        rooted.members[0] = 13; // 0, 2 and 3
        _revealProven(rooted, 3, 3);
        // With the members asked for instead of those accepted it is no batch.
        rooted.members[0] = 15;
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 1));
        _revealProven(rooted, 2, 2);
    }

    function test_ARootOfNobodyReverts() public {
        _begun(4);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        vm.prank(rooter);
        _rootedTask().commitRoot(1, bytes32(0), _list("none"), new uint256[](1));
        _commitRoot(_two(0, 1));
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        vm.prank(rooter);
        _rootedTask().commitRoot(1, bytes32(0), _list("again"), _words(_two(0, 1)));
    }

    function test_OnlyTheRooterPostsRoots() public {
        _begun(4);
        uint256[] memory words = _words(_range(0, 4));
        vm.expectRevert(abi.encodeWithSelector(IRootedTask.NotRooter.selector, stranger));
        vm.prank(stranger);
        _rootedTask().commitRoot(1, bytes32(0), _list("x"), words);
        Rooted memory rooted = _commitRoot(_range(0, 4));
        vm.expectRevert(abi.encodeWithSelector(IRootedTask.NotRooter.selector, stranger));
        vm.prank(stranger);
        _rootedTask().revealRoot(1, 0, rooted.root, words, _list("x"), words);
    }

    function test_RootsAreOfTheirRoundAndPhase() public {
        _begun(4);
        uint256[] memory words = _words(_range(0, 4));
        vm.startPrank(rooter);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        _rootedTask().commitRoot(2, bytes32(0), _list("x"), words);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Training));
        _rootedTask().revealRoot(1, 0, bytes32(0), words, _list("x"), words);
        vm.stopPrank();
        Rooted memory rooted = _commitRoot(_range(0, 4));
        vm.startPrank(rooter);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Reveal));
        _rootedTask().commitRoot(1, bytes32(0), _list("x"), words);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        _rootedTask().revealRoot(2, 0, rooted.root, words, _list("x"), words);
        _later(10_000);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, task.round().deadline));
        _rootedTask().revealRoot(1, 0, rooted.root, words, _list("x"), words);
        vm.stopPrank();
    }

    function test_ABatchIsKnownByItsRootAndItsMembers() public {
        _begun(4);
        Rooted memory first = _commitRoot(_two(0, 1));
        Rooted memory second = _commitRoot(_two(2, 3));
        bytes memory unknown = abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 0);
        bytes32 root = first.root;
        first.root = second.root;
        vm.expectRevert(unknown);
        _revealRoot(first, _two(0, 1));
        first.root = root;
        uint256[] memory members = first.members;
        first.members = second.members;
        vm.expectRevert(unknown);
        _revealRoot(first, _two(0, 1));
        first.members = members;
        first.batch = 2;
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 2));
        _revealRoot(first, _two(0, 1));
    }

    function test_ABatchOfTheRoundBeforeIsNone() public {
        _begun(4);
        Rooted memory old = _commitRoot(_range(0, 4));
        _revealRoot(old, _range(0, 4));
        _evaluate(_equal(4));
        _commit(0);
        _commit(1);
        _advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 0));
        _revealRoot(old, _range(0, 4));
    }

    function test_OnlyABatchsMembersAreOpenedByIt() public {
        _begun(4);
        Rooted memory first = _commitRoot(_two(0, 1));
        _commitRoot(_two(2, 3));
        _revealRoot(first, _range(0, 4));
        vm.assertEq(task.round().revealed, 2);
        (, bool revealed,) = task.intakeOf(1, 2);
        vm.assertFalse(revealed);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _revealRoot(first, _range(0, 4));
    }

    // ---------------------------------------------------------------- without the rooter

    function test_WhoCommitsAloneOpensAloneAndNobodyElseCanMarkIt() public {
        _begun(4);
        _commit(2);
        Rooted memory rooted = _commitRoot(_two(0, 1));
        _advance();
        // Not by the rooter: neither as one of its batch nor as a batch of its own.
        bytes32 leaf = _leafOf(2, _commitment(2, _digest(1, 2), SIZE));
        uint256[] memory members = _words(_range(2, 3));
        vm.startPrank(rooter);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _rootedTask().revealRoot(1, 1, rooted.root, rooted.members, _list("x"), members);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 0));
        _rootedTask().revealRoot(1, 0, leaf, members, _list("x"), members);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x32)); // there are no words of members
        _rootedTask().revealRoot(1, 0, leaf, new uint256[](0), _list("x"), members);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _rootedTask().revealRoot(1, 0, leaf, new uint256[](0), _list("x"), new uint256[](0));
        vm.stopPrank();
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(uint32(2), _digest(1, 2), SIZE, uint32(0)));
        _revealAlone(0, 2);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _revealAlone(0, 2);
    }

    function test_WhomTheRooterLeavesOutOpensByProof() public {
        _begun(4);
        _commit(3);
        Rooted memory rooted = _commitRoot(_range(0, 3));
        _revealRoot(rooted, _two(0, 2));
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(uint32(1), _digest(1, 1), SIZE, uint32(2)));
        vm.prank(stranger);
        _revealProven(rooted, 1, 1);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _revealProven(rooted, 1, 1);
        _revealAlone(0, 3);
        _assertPhase(Phase.Evaluation);
        _evaluate(_scores(1e9, 2e9, 3e9, 4e9));
        vm.assertEq(_vested(1), 50 * ONE);
    }

    function test_AProofIsOfOneOpeningOnly() public {
        _begun(4);
        Rooted memory rooted = _commitRoot(_range(0, 4));
        bytes memory unknown = abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 0);
        vm.expectRevert(unknown);
        _revealProven(rooted, 1, 2); // another's proof
        bytes32[] memory proof = _proofOf(rooted.leaves, 1);
        bytes memory large = _opening(1, _digest(1, 1), 2_001);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UpdateTooLarge.selector, 2_001));
        _rootedTask().revealProven(1, 0, rooted.root, rooted.members, large, proof);
        bytes memory other = _opening(1, keccak256("other"), SIZE);
        vm.expectRevert(unknown);
        _rootedTask().revealProven(1, 0, rooted.root, rooted.members, other, proof);
        bytes memory shorter = new bytes(56);
        vm.expectRevert(ITrainingTask.MalformedBatch.selector);
        _rootedTask().revealProven(1, 0, rooted.root, rooted.members, shorter, proof);
        bytes memory right = _opening(1, _digest(1, 1), SIZE);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        _rootedTask().revealProven(2, 0, rooted.root, rooted.members, right, proof);
        bytes32 root = rooted.root;
        vm.expectRevert(unknown);
        _rootedTask().revealProven(1, 0, root, new uint256[](0), right, proof);
        _rootedTask().revealProven(1, 0, root, rooted.members, right, proof);
    }

    function test_TheLargestUpdateThatATaskTakesIsOpened() public {
        _begun(4);
        bytes32 commitment = _commitment(0, _digest(1, 0), 2_000);
        vm.prank(_account(0));
        task.commit(1, 0, commitment);
        _advance();
        bytes memory opening = _opening(0, _digest(1, 0), 2_000);
        bytes32 leaf = _leafOf(0, commitment);
        _rootedTask().revealProven(1, 0, leaf, new uint256[](0), opening, new bytes32[](0));
        vm.assertEq(task.round().revealed, 1);
    }

    function test_WhoWasLeftOutOfTheBatchIsNotOpenedByIt() public {
        _begun(4);
        _commit(1);
        Rooted memory rooted = _commitRoot(_range(0, 3));
        rooted.members[0] = 5;
        _advance();
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _revealProven(rooted, 1, 1);
    }

    function test_WhoIsNotOpenedIsSuspendedAndLosesNothing() public {
        _begun(4);
        Rooted memory rooted = _commitRoot(_range(0, 4));
        _revealRoot(rooted, _range(0, 3));
        _advance();
        vm.assertTrue(_isSuspended(3));
        _assertPhase(Phase.Evaluation);
    }

    // ---------------------------------------------------------------- any members

    /// @dev Counts, marks and positions are those of a model with one flag a member.
    function testFuzz_RootsMarkExactlyThoseWhoMay(uint256 first, uint256 second, uint256 opened, uint256 alone) public {
        uint32 members = 20;
        _begun(members);
        alone %= members;
        _commit(uint32(alone));
        uint256 all = (1 << members) - 1;
        uint256 before = 1 << alone;
        uint256[2] memory asked = [first, second];
        uint256[2] memory taken;
        for (uint256 b; b < 2; ++b) {
            taken[b] = asked[b] & all & ~before;
            uint256[] memory words = new uint256[](1);
            words[0] = asked[b];
            if (_phase() != Phase.Training) break;
            vm.prank(rooter);
            if (taken[b] == 0) vm.expectRevert(ITrainingTask.NothingAccepted.selector);
            _rootedTask().commitRoot(1, bytes32(b), _list("x"), words);
            before |= taken[b];
        }
        for (uint32 i; i < members; ++i) {
            (bool committed,,) = task.intakeOf(1, i);
            vm.assertEq(committed, before & (1 << i) != 0);
        }
        if (_phase() == Phase.Training) _advance();
        if (taken[0] == 0) return;
        uint256[] memory batch = new uint256[](1);
        uint256[] memory wanted = new uint256[](1);
        (batch[0], wanted[0]) = (taken[0], opened);
        vm.prank(rooter);
        if (opened & taken[0] == 0) vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        _rootedTask().revealRoot(1, 1, bytes32(0), batch, _list("x"), wanted);
        if (_phase() != Phase.Reveal) return;
        uint256 count;
        for (uint32 i; i < members; ++i) {
            (, bool revealed,) = task.intakeOf(1, i);
            bool due = opened & taken[0] & (1 << i) != 0;
            vm.assertEq(revealed, due);
            if (due) ++count;
        }
        vm.assertEq(task.round().revealed, count);
    }

    /// @dev Whoever of any batch opens by proof, in any order, at the position that index order gives.
    function testFuzz_AnyMemberOpensByProof(uint32 size, uint32 who) public {
        size = 1 + size % 40;
        who %= size;
        _begun(size + 1);
        _commit(size);
        Rooted memory rooted = _commitRoot(_range(0, size));
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(who, _digest(1, who), SIZE, 1 + who));
        _revealProven(rooted, who, who);
    }

    function test_PositionsGoOnOverWords() public {
        uint32 members = 520;
        TaskConfig memory c = _rootedConfig(members);
        c.faultSuspension = 0;
        _create(c);
        _bond(0);
        for (uint32 i; i < members; ++i) {
            vm.prank(_account(i));
            task.join(_account(i), _noPermit(), "");
        }
        uint32[] memory some = new uint32[](3);
        (some[0], some[1], some[2]) = (255, 300, 515);
        Rooted memory rooted = _commitRoot(some);
        _advance();
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(uint32(515), _digest(1, 515), SIZE, uint32(2)));
        _revealProven(rooted, 515, 2);
        _revealRoot(rooted, some);
        _assertPhase(Phase.Evaluation);
        int64[] memory scores = _equal(3);
        _evaluate(scores);
        vm.assertEq(_vested(300), _vested(515));
    }
}
