// SPDX-License-Identifier: Apache-2.0
// A vector of W float32 lanes and the few operations that the layers are written in.
//
// Lanes never meet: every operation here gives each lane what it would get alone, so a result does not depend on W, on
// the processor or on the compiler. A product is added to a sum by fma() where that is meant and nowhere else; the file is
// compiled with -ffp-contract=off, so that no compiler decides it.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lanes {

template <int W>
struct Lanes {
    typedef float Float __attribute__((vector_size(W * 4), aligned(W * 4), may_alias));
    typedef int32_t Int __attribute__((vector_size(W * 4), aligned(W * 4), may_alias));
};
template <int W>
using Vec = typename Lanes<W>::Float;
template <int W>
using IntVec = typename Lanes<W>::Int;

#define LANES_INLINE inline __attribute__((always_inline))

LANES_INLINE Vec<8> fma(Vec<8> a, Vec<8> b, Vec<8> c) { return (Vec<8>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#ifdef __AVX512F__
LANES_INLINE Vec<16> fma(Vec<16> a, Vec<16> b, Vec<16> c) {
    return (Vec<16>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#endif

template <int W>
LANES_INLINE Vec<W> splat(float value) {
    return Vec<W>{} + value;
}

// Registers that the processor has for vectors: how many sums a block keeps in flight follows it, the sums do not.
#ifdef __AVX512VL__
constexpr bool MANY_REGISTERS = true;
#else
constexpr bool MANY_REGISTERS = false;
#endif

}  // namespace lanes
