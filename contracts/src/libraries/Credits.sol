// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICrowdsourcingTask} from "../interfaces/ICrowdsourcingTask.sol";
import {Ledger, Population, TaskConfig} from "../interfaces/TaskTypes.sol";
import {Bitmaps} from "./Bitmaps.sol";
import {Configuration} from "./Configuration.sol";
import {Lanes} from "./Lanes.sol";

/// @title Who is credited what, and the slots that it is written to, four members each
/// @notice What may not fit a transaction is left for the next one, so that no number of members, however scattered, makes
/// a call that nobody can send. `write` is linked, not inlined: a task's code has no room for it.
library Credits {
    /// @dev Slots that one call writes, less the words of the members' bitmaps: drawing the next cohort costs with those.
    uint256 private constant SLOTS_AT_ONCE = 384;

    struct Book {
        mapping(uint256 slot => uint256 lanes) vested; // nothing can take them away
        // A ring of lanes, each slot tagged with its round. One place more than `vestingRounds`, so that a round's credits
        // do not push out those that its evaluation may forfeit.
        mapping(uint256 ring => mapping(uint256 slot => uint256 lanes)) unvested;
        Due due;
        bytes32 scores; // hash of those that `due` is shared by; of nothing where it is shared equally
    }

    /// @notice Credits of one round, or of a forfeited bond, that are under way.
    struct Due {
        uint64 payout; // 10⁻⁹ token; zero: none
        uint32 round;
        uint32 slots; // written so far
        bool bond; // shared by all who revealed, and vested
    }

    /// @notice Add one slot's credits of `round`: up to four amounts, 64 bits each.
    function add(Book storage book, uint256 slot, uint256 amounts, uint32 round, uint256 vestingRounds) internal {
        if (vestingRounds == 0) {
            unchecked {
                book.vested[slot] += amounts; // no lane carries: all that ever comes in fits 56 bits
            }
            return;
        }
        uint256 ring = round % (vestingRounds + 1);
        uint256 old = book.unvested[ring][slot];
        if (old << 32 != 0) book.vested[slot] = Lanes.addAll(book.vested[slot], old);
        uint256 word = uint256(round) << 224;
        for (uint256 lane; lane < 4; ++lane) {
            word |= uint256(Lanes.get64(amounts, lane)) << (lane * 56);
        }
        book.unvested[ring][slot] = word;
    }

    /// @notice Credit the next slots of `due`: by score ⌊P·sᵢ⁺/Σs⁺⌋ each, the remainder to the highest score, lowest index;
    /// without scores equal parts to those who revealed, the remainder to the lowest index. Where slots are left, `due` is
    /// kept with the scores' hash. The slot of who gets the remainder comes last, when that is known.
    /// @dev Unchecked: a weight is below 2⁶³, a payout below 2⁵⁶.
    function write(
        Book storage book,
        Ledger storage ledger,
        Population storage population,
        mapping(uint256 round => mapping(uint256 word => uint256)) storage revealed,
        mapping(
            uint256 round => mapping(uint256 word => uint256)
        ) storage disowned,
        Due memory due,
        bytes calldata scores
    ) external returns (uint64) {
        TaskConfig memory c = Configuration.load();
        if (due.bond) (c.vestingRounds, c.uniqueDigests) = (0, false);
        uint256[] memory words = new uint256[](Bitmaps.wordsFor(population.members));
        uint256[] memory owned = new uint256[](words.length);
        for (uint256 w; w < words.length; ++w) {
            words[w] = owned[w] = revealed[due.round][w];
            if (c.uniqueDigests) owned[w] &= ~disowned[due.round][w];
        }
        (uint256[] memory shares, uint256 sum, uint256 best) =
            scores.length == 0 ? _equal(owned) : _scored(words, owned, scores);
        if (sum == 0) return 0;
        if (due.payout == 0) {
            due.payout = _pay(ledger, population, scores.length == 0, sum, due.round, c);
            if (due.payout == 0) return 0;
        }
        uint256 last = due.slots + SLOTS_AT_ONCE - words.length;
        if (_distribute(book, due, last, shares, sum, best, c.vestingRounds)) {
            if (due.slots == 0) return due.payout;
            delete book.due;
            last = 0;
        } else {
            book.due = Due(due.payout, due.round, uint32(last), due.bond);
            book.scores = keccak256(scores);
        }
        emit ICrowdsourcingTask.CreditsWritten(due.round, last);
        return due.payout;
    }

    /// @dev Move what a round pays from the escrow to the credits: its own, and of what was slashed or forfeited at most as
    /// much again, as far as the escrow goes. So no round of little work, where chance decides who is ahead, shares out what
    /// was lost in rounds of much.
    function _pay(
        Ledger storage ledger,
        Population storage population,
        bool equally,
        uint256 sum,
        uint32 round,
        TaskConfig memory c
    ) private returns (uint64 payout) {
        uint256 escrow = ledger.escrow;
        uint256 bonus = population.bonus;
        uint256 due = c.roundBudget;
        // No budget of a round: by rate, or without scores an equal part of what is left, this round included.
        if (due == 0) due = equally ? escrow / (c.rounds - round + 1) : c.rate * sum / 1e9;
        uint256 extra = bonus < due ? bonus : due;
        due += extra;
        payout = uint64(due < escrow ? due : escrow);
        unchecked {
            escrow -= payout;
            ledger.escrow = uint64(escrow);
            ledger.credits += payout;
            // What waits is never more than there is.
            if (bonus != 0) population.bonus = uint64(bonus - extra < escrow ? bonus - extra : escrow);
        }
    }

    /// @dev Index (above 64 bits) and weight of each member with a share, ascending, the sum of the weights, and who gets the
    /// remainder: equal shares of those in `words`.
    function _equal(uint256[] memory words) private pure returns (uint256[] memory shares, uint256 sum, uint256 best) {
        shares = Bitmaps.indices(words);
        sum = shares.length;
        for (uint256 i = sum; i != 0;) {
            best = shares[--i];
            shares[i] = best << 64 | 1;
        }
    }

    /// @dev The same by score, of those above zero. There is a score for each of `words`; one of somebody who is not in
    /// `owned` must be zero.
    function _scored(uint256[] memory words, uint256[] memory owned, bytes calldata scores)
        private
        pure
        returns (uint256[] memory shares, uint256 sum, uint256 best)
    {
        uint256 start;
        uint256 end;
        uint256 highest;
        assembly ("memory-safe") {
            start := scores.offset
            // Room for all who revealed, not zeroed: the length is known after the loop.
            shares := mload(0x40)
            end := add(shares, 0x20)
            mstore(0x40, add(end, shl(2, scores.length)))
        }
        unchecked {
            for (uint256 w; w < words.length; ++w) {
                uint256 word = words[w];
                uint256 own = owned[w];
                for (uint256 index = w << 8; word != 0; ++index) {
                    if (word & 1 != 0) {
                        int256 score;
                        assembly ("memory-safe") {
                            score := sar(192, calldataload(start))
                            start := add(start, 8)
                        }
                        if (own & 1 == 0) {
                            if (score != 0) revert ICrowdsourcingTask.DigestNotOwned(uint32(index));
                        }
                        if (score > 0) {
                            assembly ("memory-safe") {
                                mstore(end, or(shl(64, index), score))
                                end := add(end, 0x20)
                                sum := add(sum, score)
                                if gt(score, highest) {
                                    highest := score
                                    best := index
                                }
                            }
                        }
                    } else if (word & 0xffff == 0) {
                        word >>= 15;
                        own >>= 15;
                        index += 15;
                    }
                    word >>= 1;
                    own >>= 1;
                }
            }
        }
        assembly ("memory-safe") {
            mstore(shares, sub(shr(5, sub(end, shares)), 1))
        }
    }

    /// @dev Write the slots from `due.slots` on and before `last`, if they are all left then that of `best` too.
    function _distribute(
        Book storage book,
        Due memory due,
        uint256 last,
        uint256[] memory shares,
        uint256 sum,
        uint256 best,
        uint256 vestingRounds
    ) private returns (bool) {
        uint256 payout = due.payout;
        uint256 left = payout;
        uint256 held; // what the slot of `best` gets, until the remainder is known
        uint256 slots;
        uint256 p;
        uint256 end;
        assembly ("memory-safe") {
            p := add(shares, 0x20)
            end := add(p, shl(5, mload(shares)))
        }
        unchecked {
            while (p != end) {
                uint256 slot;
                uint256 lanes;
                assembly ("memory-safe") {
                    let share := mload(p)
                    slot := shr(66, share)
                    for {} and(lt(p, end), eq(shr(66, share), slot)) { share := mload(p) } {
                        let amount := div(mul(payout, and(share, 0xffffffffffffffff)), sum)
                        left := sub(left, amount)
                        lanes := or(lanes, shl(and(shr(58, share), 0xc0), amount)) // 64 bits a member
                        p := add(p, 0x20)
                    }
                }
                if (slot == best >> 2) held = lanes;
                else if (slots++ >= due.slots && slots <= last) add(book, slot, lanes, due.round, vestingRounds);
            }
            if (slots > last) return false;
            add(book, best >> 2, held + (left << ((best & 3) << 6)), due.round, vestingRounds);
            return true;
        }
    }
}
