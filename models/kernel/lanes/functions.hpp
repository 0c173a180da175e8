// SPDX-License-Identifier: Apache-2.0
// exp, log and tanh of each lane from additions, products and table-free polynomials (after Cephes, S. Moshier), the same
// bits on every processor; within two units in the last place. What is not a number stays so.
#pragma once

#include "vector.hpp"

namespace lanes {

template <int W>
LANES_INLINE Vec<W> smaller(Vec<W> a, Vec<W> b) {
    return a < b ? a : b;
}

template <int W>
LANES_INLINE Vec<W> larger(Vec<W> a, Vec<W> b) {
    return a > b ? a : b;
}

template <int W>
LANES_INLINE Vec<W> exponential(Vec<W> given) {
    const Vec<W> x = larger<W>(smaller<W>(given, splat<W>(88.0f)), splat<W>(-87.0f));
    const Vec<W> magic = splat<W>(12582912.0f);  // adding and taking it away rounds to a whole number
    const Vec<W> n = fma(x, splat<W>(1.44269504088896341f), magic) - magic;
    Vec<W> r = fma(n, splat<W>(-0.693359375f), x);
    r = fma(n, splat<W>(2.12194440e-4f), r);
    Vec<W> p = splat<W>(1.9875691500e-4f);
    p = fma(p, r, splat<W>(1.3981999507e-3f));
    p = fma(p, r, splat<W>(8.3334519073e-3f));
    p = fma(p, r, splat<W>(4.1665795894e-2f));
    p = fma(p, r, splat<W>(1.6666665459e-1f));
    p = fma(p, r, splat<W>(5.0000001201e-1f));
    p = fma(p, r * r, r) + 1.0f;
    const IntVec<W> power = (__builtin_convertvector(n, IntVec<W>) + 127) << 23;
    Vec<W> found = p * (Vec<W>)power;
    found = given < splat<W>(-87.0f) ? Vec<W>{} : found;
    return given == given ? found : given;
}

// For positive, normal x.
template <int W>
LANES_INLINE Vec<W> logarithm(Vec<W> given) {
    const IntVec<W> bits = (IntVec<W>)given;
    Vec<W> exponent = __builtin_convertvector((bits >> 23) - 126, Vec<W>);
    Vec<W> m = (Vec<W>)((bits & 0x007fffff) | 0x3f000000);
    const IntVec<W> low = m < splat<W>(0.707106781186547524f);
    exponent = low ? exponent - 1.0f : exponent;
    m = low ? m + m - 1.0f : m - 1.0f;
    const Vec<W> z = m * m;
    Vec<W> p = splat<W>(7.0376836292e-2f);
    p = fma(p, m, splat<W>(-1.1514610310e-1f));
    p = fma(p, m, splat<W>(1.1676998740e-1f));
    p = fma(p, m, splat<W>(-1.2420140846e-1f));
    p = fma(p, m, splat<W>(1.4249322787e-1f));
    p = fma(p, m, splat<W>(-1.6668057665e-1f));
    p = fma(p, m, splat<W>(2.0000714765e-1f));
    p = fma(p, m, splat<W>(-2.4999993993e-1f));
    p = fma(p, m, splat<W>(3.3333331174e-1f));
    Vec<W> y = p * m * z;
    y = fma(exponent, splat<W>(-2.12194440e-4f), y);
    y = fma(z, splat<W>(-0.5f), y);
    const Vec<W> found = fma(exponent, splat<W>(0.693359375f), m + y);
    const IntVec<W> usual = (given == given) & (given < splat<W>(3.0e38f));
    return usual ? found : given;
}

template <int W>
LANES_INLINE Vec<W> sigmoid(Vec<W> x) {
    return 1.0f / (1.0f + exponential<W>(-x));
}

template <int W>
LANES_INLINE Vec<W> hyperbolic_tangent(Vec<W> x) {
    const Vec<W> size = x < Vec<W>{} ? -x : x;
    const Vec<W> far = 1.0f - 2.0f / (exponential<W>(size + size) + 1.0f);
    const Vec<W> z = x * x;
    Vec<W> p = splat<W>(-5.70498872745e-3f);
    p = fma(p, z, splat<W>(2.06390887954e-2f));
    p = fma(p, z, splat<W>(-5.37397155531e-2f));
    p = fma(p, z, splat<W>(1.33314422036e-1f));
    p = fma(p, z, splat<W>(-3.33332819422e-1f));
    const Vec<W> near = fma(p * z, x, x);
    return size < splat<W>(0.625f) ? near : (x < Vec<W>{} ? -far : far);
}

}  // namespace lanes
