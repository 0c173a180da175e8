// SPDX-License-Identifier: Apache-2.0
// Products of a matrix of weights, stored by rows, with vectors of which every lane has its own.
#pragma once

#include "layer.hpp"

namespace lanes {

template <int W, int R>
LANES_INLINE void add_rows(const float* w, const Vec<W>* x, Vec<W>* y, int64_t columns) {
    Vec<W> sum[R];
    for (int r = 0; r < R; ++r) sum[r] = y[r];
    for (int64_t c = 0; c < columns; ++c) {
        const Vec<W> here = x[c];
        for (int r = 0; r < R; ++r) sum[r] = fma(splat<W>(w[r * columns + c]), here, sum[r]);
    }
    for (int r = 0; r < R; ++r) y[r] = sum[r];
}

// y += w x; y (rows), w (rows, columns), x (columns), over the columns in their order.
template <int W>
inline void add_product(const float* w, const Vec<W>* x, Vec<W>* y, int rows, int64_t columns) {
    int r = 0;
    for (; r + 10 <= rows; r += 10) add_rows<W, 10>(w + r * columns, x, y + r, columns);
    for (; r + 4 <= rows; r += 4) add_rows<W, 4>(w + r * columns, x, y + r, columns);
    for (; r < rows; ++r) add_rows<W, 1>(w + r * columns, x, y + r, columns);
}

template <int W, int C>
LANES_INLINE void add_columns(const float* w, const Vec<W>* y, Vec<W>* x, int rows, int64_t columns) {
    Vec<W> sum[C];
    for (int c = 0; c < C; ++c) sum[c] = x[c];
    for (int r = 0; r < rows; ++r) {
        const Vec<W> here = y[r];
        for (int c = 0; c < C; ++c) sum[c] = fma(splat<W>(w[r * columns + c]), here, sum[c]);
    }
    for (int c = 0; c < C; ++c) x[c] = sum[c];
}

// x += wᵀ y, over the rows in their order.
template <int W>
inline void add_transposed_product(const float* w, const Vec<W>* y, Vec<W>* x, int rows, int64_t columns) {
    int64_t c = 0;
    for (; c + 10 <= columns; c += 10) add_columns<W, 10>(w + c, y, x + c, rows, columns);
    for (; c < columns; ++c) add_columns<W, 1>(w + c, y, x + c, rows, columns);
}

// The gradient of a matrix of weights as a sum of outer products whose lanes are inputs: the products of a sample's places one
// behind the other, then the next sample's.
template <int W>
class OuterProducts {
   public:
    OuterProducts(int64_t inputs, int outputs, int places = 1)
        : inputs_(inputs), outputs_(outputs), places_(places), blocks_((inputs + WIDE - 1) / WIDE), x_(blocks_ * WIDE * W * places),
          y_(int64_t(outputs) * W * places) {}

    // gradient (outputs, inputs) += Σ y xᵀ, of x (places, inputs) and y (places, outputs).
    void add(const Vec<W>* x, const Vec<W>* y, float* gradient, int count) {
        turn((const float*)x, (const float*)y, count);
        const int64_t terms = int64_t(count) * places_;
        for (int64_t block = 0; block < blocks_; ++block) {
            const float* here = x_.data() + block * WIDE * terms;
            const int64_t first = block * WIDE;
            if (first + WIDE > inputs_) {
                for (int o = 0; o < outputs_; ++o) narrow(gradient + o * inputs_ + first, here, o, int(inputs_ - first), terms);
                continue;
            }
            int o = 0;
            for (; o + 4 <= outputs_; o += 4) rows<4>(gradient + o * inputs_ + first, here, o, terms);
            for (; o < outputs_; ++o) rows<1>(gradient + o * inputs_ + first, here, o, terms);
        }
    }

   private:
    static constexpr int WIDE = 2 * W;
    typedef float Loose __attribute__((vector_size(W * 4), aligned(4), may_alias));

    // A sample's numbers together: x as (blocks of inputs, terms, WIDE), y as (outputs, terms).
    void turn(const float* x, const float* y, int count) {
        const int64_t terms = int64_t(count) * places_;
        for (int t = 0; t < places_; ++t) {
            for (int64_t i = 0; i < inputs_; ++i)
                for (int s = 0; s < count; ++s)
                    x_[(i / WIDE * terms + s * int64_t(places_) + t) * WIDE + i % WIDE] = x[(t * inputs_ + i) * W + s];
            for (int64_t o = 0; o < outputs_; ++o)
                for (int s = 0; s < count; ++s) y_[o * terms + s * int64_t(places_) + t] = y[(int64_t(t) * outputs_ + o) * W + s];
        }
    }

    template <int R>
    LANES_INLINE void rows(float* gradient, const float* x, int o, int64_t terms) const {
        Vec<W> sum[R][2];
        for (int r = 0; r < R; ++r)
            for (int b = 0; b < 2; ++b) sum[r][b] = *(const Loose*)(gradient + r * inputs_ + b * W);
        const float* y = y_.data() + o * terms;
        for (int64_t n = 0; n < terms; ++n) {
            const Vec<W> left = *(const Vec<W>*)(x + n * WIDE), right = *(const Vec<W>*)(x + n * WIDE + W);
            for (int r = 0; r < R; ++r) {
                const Vec<W> factor = splat<W>(y[r * terms + n]);
                sum[r][0] = fma(factor, left, sum[r][0]);
                sum[r][1] = fma(factor, right, sum[r][1]);
            }
        }
        for (int r = 0; r < R; ++r)
            for (int b = 0; b < 2; ++b) *(Loose*)(gradient + r * inputs_ + b * W) = sum[r][b];
    }

    void narrow(float* gradient, const float* x, int o, int inputs, int64_t terms) const {
        const float* y = y_.data() + o * terms;
        for (int i = 0; i < inputs; ++i)
            for (int64_t n = 0; n < terms; ++n) gradient[i] = __builtin_fmaf(y[n], x[n * WIDE + i], gradient[i]);
    }

    int64_t inputs_;
    int outputs_, places_;
    int64_t blocks_;
    AlignedVector<float> x_, y_;
};

}  // namespace lanes
