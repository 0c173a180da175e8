// SPDX-License-Identifier: Apache-2.0
// The numbers that a torch.Generator on the CPU gives for a seed (Mersenne Twister, Matsumoto and Nishimura 1998), so that
// order and dropout of a job are the same whichever kernel does it.
#pragma once

#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace lanes {

class Random {
   public:
    explicit Random(uint64_t seed) : engine_(uint32_t(seed)) {}

    // In [0, 1), as torch.rand.
    float uniform() { return float(engine_() & 0xffffff) * (1.0f / 16777216.0f); }

    // As torch.randperm, for fewer than 2^32 / 20.
    std::vector<int64_t> permutation(int64_t n) {
        std::vector<int64_t> found(n);
        std::iota(found.begin(), found.end(), 0);
        for (int64_t i = 0; i + 1 < n; ++i) std::swap(found[i], found[i + engine_() % uint32_t(n - i)]);
        return found;
    }

   private:
    std::mt19937 engine_;
};

}  // namespace lanes
