// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmaps} from "./Bitmaps.sol";

uint256 constant CANDIDATES = 8; // of sixteen, more than half cannot be for one who comes after eight others

/// @notice What the cohort of `round` has done, by place: one slot, which every call of a judge writes.
struct Tally {
    uint32 round;
    uint16 committed; // scores
    uint16 opened;
    uint16 voted; // for a model
    uint16 targets; // from the phase ScoreReveal on
    uint8 probes; // different ones so far
    uint64 probeOf; // which of them a judge's is, 4 bits each
    uint64 votes; // for each candidate, 8 bits each
}

/// @title What the judges of a consortium have done in a round, in one slot
library Tallies {
    /// @dev The slot's content, empty where it is of another round. By hand, as the compiler would read the slot once a
    /// field.
    function unpack(uint256 word, uint32 number) internal pure returns (Tally memory t) {
        t.round = number;
        if (uint32(word) != number) return t;
        t.committed = uint16(word >> 32);
        t.opened = uint16(word >> 48);
        t.voted = uint16(word >> 64);
        t.targets = uint16(word >> 80);
        t.probes = uint8(word >> 96);
        t.probeOf = uint64(word >> 104);
        t.votes = uint64(word >> 168);
    }

    function pack(Tally memory t) internal pure returns (uint256) {
        return uint256(t.round) | uint256(t.committed) << 32 | uint256(t.opened) << 48 | uint256(t.voted) << 64
            | uint256(t.targets) << 80 | uint256(t.probes) << 96 | uint256(t.probeOf) << 104 | uint256(t.votes) << 168;
    }

    /// @dev The probe of more than half of those who opened; where there is none, none that a judge can have.
    function commonProbe(Tally memory t) internal pure returns (uint256 probe) {
        unchecked {
            uint256 counts;
            uint256 probes = t.probeOf;
            for (uint256 rest = t.opened; rest != 0; rest >>= 1) {
                if (rest & 1 != 0) counts += 1 << ((probes & 0xf) << 3);
                probes >>= 4;
            }
            uint256 judges = Bitmaps.popcount(t.opened);
            while (probe <= CANDIDATES && 2 * (counts >> (probe << 3) & 0xff) <= judges) ++probe;
        }
    }
}
