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

    /// @dev Add what rounding left of `round`: to a slot that has credits of it, or none.
    function _addRemainder(Book storage book, uint256 index, uint256 amount, uint32 round, uint256 vestingRounds)
        private
    {
        uint256 lane = index & 3;
        if (amount == 0) return;
        uint256 slot = index >> 2;
        if (vestingRounds == 0 || Lanes.tag(book.unvested[round % (vestingRounds + 1)][slot]) != round) {
            add(book, slot, amount << (lane * 64), round, vestingRounds);
        } else {
            book.unvested[round % (vestingRounds + 1)][slot] += amount << (lane * 56);
        }
    }

    /// @notice Credit the next slots of `due`: by score ⌊P·sᵢ⁺/Σs⁺⌋ each, the remainder to the highest score, lowest index;
    /// without scores equal parts to those who revealed, the remainder to the lowest index. Where slots are left, `due` is
    /// kept with the scores' hash. The remainder comes last, when it is known.
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
        bool equally = scores.length == 0;
        uint256[] memory words = new uint256[](Bitmaps.wordsFor(population.members));
        for (uint256 w; w < words.length; ++w) {
            words[w] = revealed[due.round][w];
        }
        if (c.uniqueDigests && !due.bond) _leaveOut(words, disowned[due.round], scores);
        uint256 sum = equally ? _count(words) : _sum(scores);
        if (sum == 0) return 0;
        if (due.payout == 0) {
            due.payout = _pay(ledger, population, equally, sum, due.round, c);
            if (due.payout == 0) return 0;
        }
        uint256 vestingRounds = due.bond ? 0 : c.vestingRounds;
        uint256 last = due.slots + SLOTS_AT_ONCE - words.length;
        if (_distribute(book, due, last, words, scores, sum, vestingRounds)) {
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

    /// @dev Of those who revealed somebody else's digest none may have a score, nor a part where all get the same.
    function _leaveOut(uint256[] memory words, mapping(uint256 word => uint256) storage disowned, bytes calldata scores)
        private
        view
    {
        uint256 start;
        for (uint256 w; w < words.length; ++w) {
            uint256 word = words[w];
            uint256 foreign = word & disowned[w];
            if (scores.length == 0) {
                words[w] = word ^ foreign;
            } else if (foreign != 0) {
                for (uint256 index = w << 8; word != 0; ++index) {
                    if (foreign & 1 != 0 && bytes8(scores[start:start + 8]) != 0) {
                        revert ICrowdsourcingTask.DigestNotOwned(uint32(index));
                    }
                    if (word & 1 != 0) start += 8;
                    word >>= 1;
                    foreign >>= 1;
                }
            } else {
                start += 8 * Bitmaps.popcount(word);
            }
        }
    }

    function _count(uint256[] memory words) private pure returns (uint256 count) {
        for (uint256 w; w < words.length; ++w) {
            count += Bitmaps.popcount(words[w]);
        }
    }

    /// @dev The sum of the scores above zero.
    function _sum(bytes calldata scores) private pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let p := scores.offset
            let end := add(p, scores.length)
            for {} gt(end, add(p, 0x1f)) { p := add(p, 0x20) } {
                let four := calldataload(p)
                let score := sar(192, four)
                sum := add(sum, mul(score, sgt(score, 0)))
                score := sar(192, shl(64, four))
                sum := add(sum, mul(score, sgt(score, 0)))
                score := sar(192, shl(128, four))
                sum := add(sum, mul(score, sgt(score, 0)))
                score := sar(192, shl(192, four))
                sum := add(sum, mul(score, sgt(score, 0)))
            }
            for {} lt(p, end) { p := add(p, 8) } {
                let score := sar(192, calldataload(p))
                sum := add(sum, mul(score, sgt(score, 0)))
            }
        }
    }

    /// @dev Write the slots from `due.slots` on and before `last`, if they are all then the remainder too. A slot is of four
    /// members, who are a digit of their word; `weights` are theirs, 64 bits each, the first one's highest as in `scores`.
    function _distribute(
        Book storage book,
        Due memory due,
        uint256 last,
        uint256[] memory words,
        bytes calldata scores,
        uint256 sum,
        uint256 vestingRounds
    ) private returns (bool) {
        uint256 payout = due.payout;
        uint256 left = payout;
        uint256 highest;
        uint256 best; // index of who has it
        uint256 slots;
        uint256 first = due.slots;
        uint32 round = due.round;
        uint256 start; // of the next score, 0: all have the same part
        assembly ("memory-safe") {
            if scores.length { start := scores.offset }
        }
        unchecked {
            for (uint256 w; w < words.length; ++w) {
                uint256 word = words[w];
                for (uint256 slot = w << 6; word != 0; ++slot) {
                    uint256 digit = word & 0xf;
                    if (digit == 0) {
                        if (word & 0xffff == 0) (word, slot) = (word >> 12, slot + 3);
                        word >>= 4;
                        continue;
                    }
                    uint256 lanes;
                    assembly ("memory-safe") {
                        word := shr(4, word)
                        let weights := 0
                        switch mul(eq(digit, 0xf), start)
                        case 0 {
                            for { let place := 192 } digit { digit := shr(1, digit) } {
                                if and(digit, 1) {
                                    let weight := 1
                                    if start {
                                        weight := shr(192, calldataload(start))
                                        start := add(start, 8)
                                    }
                                    weights := or(weights, shl(place, weight))
                                }
                                place := sub(place, 64)
                            }
                        }
                        default {
                            weights := calldataload(start)
                            start := add(start, 0x20)
                        }
                        // Unrolled: the loop would cost as much again.
                        let weight := sar(192, weights)
                        if sgt(weight, 0) {
                            if gt(weight, highest) {
                                highest := weight
                                best := shl(2, slot)
                            }
                            weight := div(mul(payout, weight), sum)
                            left := sub(left, weight)
                            lanes := weight
                        }
                        weight := sar(192, shl(64, weights))
                        if sgt(weight, 0) {
                            if gt(weight, highest) {
                                highest := weight
                                best := or(shl(2, slot), 1)
                            }
                            weight := div(mul(payout, weight), sum)
                            left := sub(left, weight)
                            lanes := or(lanes, shl(64, weight))
                        }
                        weight := sar(192, shl(128, weights))
                        if sgt(weight, 0) {
                            if gt(weight, highest) {
                                highest := weight
                                best := or(shl(2, slot), 2)
                            }
                            weight := div(mul(payout, weight), sum)
                            left := sub(left, weight)
                            lanes := or(lanes, shl(128, weight))
                        }
                        weight := sar(192, shl(192, weights))
                        if sgt(weight, 0) {
                            if gt(weight, highest) {
                                highest := weight
                                best := or(shl(2, slot), 3)
                            }
                            weight := div(mul(payout, weight), sum)
                            left := sub(left, weight)
                            lanes := or(lanes, shl(192, weight))
                        }
                    }
                    if (lanes == 0) continue;
                    if (slots++ < first || slots > last) continue;
                    if (vestingRounds == 0) book.vested[slot] += lanes; // no lane carries: all that ever comes in fits 56 bits
                    else add(book, slot, lanes, round, vestingRounds);
                }
            }
            if (slots > last) return false;
            _addRemainder(book, best, left, due.round, vestingRounds);
            return true;
        }
    }
}
