// SPDX-License-Identifier: Apache-2.0
// A fully connected layer, or the same one at every place of a sequence.
#pragma once

#include "layer.hpp"
#include "matrix.hpp"

namespace lanes {

template <int W>
class Linear final : public Layer<W> {
    using V = Vec<W>;

   public:
    // `places`: 1, or so many as the sequence has.
    Linear(Shape in, int outputs, bool bias, int places)
        : Layer<W>(in, places == 1 ? Shape{outputs, 1, 1} : Shape{places, 1, outputs}), inputs_(in.size() / places), outputs_(outputs),
          places_(places), bias_(bias), products_(inputs_, outputs, places) {
        this->parameters = inputs_ * outputs + (bias ? outputs : 0);
    }

    void forward(const float* w, const V* in, V* out, const Chunk&) override {
        const float* biases = w + inputs_ * outputs_;
        for (int t = 0; t < places_; ++t, in += inputs_, out += outputs_) {
            for (int o = 0; o < outputs_; ++o) out[o] = splat<W>(bias_ ? biases[o] : 0.0f);
            add_product<W>(w, in, out, outputs_, inputs_);
        }
    }

    void backward(const float* w, const V* in, const V*, const V* slope, V* back, float* gradient, const Chunk& chunk) override {
        products_.add(in, slope, gradient, chunk.count);
        if (bias_)
            for (int o = 0; o < outputs_; ++o) {
                V sum = slope[o];
                for (int t = 1; t < places_; ++t) sum += slope[int64_t(t) * outputs_ + o];
                add_samples<W>(gradient[inputs_ * outputs_ + o], sum, chunk.count);
            }
        if (!back) return;
        for (int64_t i = 0; i < inputs_ * places_; ++i) back[i] = V{};
        for (int t = 0; t < places_; ++t)
            add_transposed_product<W>(w, slope + int64_t(t) * outputs_, back + t * inputs_, outputs_, inputs_);
    }

   private:
    int64_t inputs_;
    int outputs_, places_;
    bool bias_;
    OuterProducts<W> products_;
};

}  // namespace lanes
