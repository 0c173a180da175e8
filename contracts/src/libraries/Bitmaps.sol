// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Sets of member indices, 256 a word
library Bitmaps {
    function has(mapping(uint256 => uint256) storage words, uint256 index) internal view returns (bool) {
        return words[index >> 8] & (1 << (index & 0xff)) != 0;
    }

    function add(mapping(uint256 => uint256) storage words, uint256 index) internal {
        words[index >> 8] |= 1 << (index & 0xff);
    }

    function remove(mapping(uint256 => uint256) storage words, uint256 index) internal {
        words[index >> 8] &= ~(1 << (index & 0xff));
    }

    /// @dev Number of words that `count` indices take.
    function wordsFor(uint256 count) internal pure returns (uint256) {
        return (count + 255) >> 8;
    }

    /// @dev Number of set bits; the usual SWAR sum over bytes.
    function popcount(uint256 word) internal pure returns (uint256) {
        unchecked {
            if (word == type(uint256).max) return 256;
            word -= (word >> 1) & 0x5555555555555555555555555555555555555555555555555555555555555555;
            word = (word & 0x3333333333333333333333333333333333333333333333333333333333333333)
                + ((word >> 2) & 0x3333333333333333333333333333333333333333333333333333333333333333);
            word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            return (word * 0x0101010101010101010101010101010101010101010101010101010101010101) >> 248;
        }
    }

    /// @dev The indices of the set bits of in-memory words, ascending.
    function indices(uint256[] memory words) internal pure returns (uint256[] memory list) {
        unchecked {
            uint256 count;
            for (uint256 w; w < words.length; ++w) {
                count += popcount(words[w]);
            }
            list = new uint256[](count);
            uint256 next;
            assembly ("memory-safe") {
                next := add(list, 0x20)
            }
            for (uint256 w; w < words.length; ++w) {
                uint256 word = words[w];
                for (uint256 index = w << 8; word != 0; ++index) {
                    if (word & 0xffff == 0) {
                        word >>= 16;
                        index += 15;
                        continue;
                    }
                    if (word & 1 != 0) {
                        // As many words were allocated as bits are set.
                        assembly ("memory-safe") {
                            mstore(next, index)
                            next := add(next, 0x20)
                        }
                    }
                    word >>= 1;
                }
            }
        }
    }
}
