// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {Lanes} from "../src/libraries/Lanes.sol";

/// @title What holds for every input, proved by halmos: `make symbolic`
/// @dev Named `check_…`, so that forge, which would try a few, leaves them alone. Only what terminates in seconds.
contract SymbolicTest {
    function check_ClearingALaneEmptiesItAndNoOther(uint256 word, uint8 lane, uint8 other) external pure {
        if (lane > 3 || other > 3 || lane == other) return;
        assert(Lanes.get64(Lanes.clear64(word, lane), lane) == 0);
        assert(Lanes.get64(Lanes.clear64(word, lane), other) == Lanes.get64(word, other));
        assert(Lanes.get56(Lanes.clear56(word, lane), lane) == 0);
        assert(Lanes.get56(Lanes.clear56(word, lane), other) == Lanes.get56(word, other));
        assert(Lanes.tag(Lanes.clear56(word, lane)) == Lanes.tag(word));
    }

    /// @dev All that ever comes in fits 56 bits, so a lane of credits has room for a lane of unvested ones.
    function check_AddAllMovesEveryLaneAndCarriesNothing(uint256 credits, uint256 unvested) external pure {
        for (uint256 lane; lane < 4; ++lane) {
            if (Lanes.get64(credits, lane) >= 1 << 56) return;
        }
        uint256 sum = Lanes.addAll(credits, unvested);
        for (uint256 lane; lane < 4; ++lane) {
            assert(Lanes.get64(sum, lane) == Lanes.get64(credits, lane) + Lanes.get56(unvested, lane));
        }
    }

    function check_WordsHoldTheirIndices(uint32 count, uint32 index) external pure {
        if (index >= count) return;
        assert(index >> 8 < Bitmaps.wordsFor(count));
        assert(Bitmaps.wordsFor(count) <= uint256(count) / 256 + 1);
    }
}
