// SPDX-License-Identifier: Apache-2.0
// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000) over sequences, the embedding
// of tokens before it, and the choice of the last place behind it. A sequence is laid out place by place.
#pragma once

#include "functions.hpp"
#include "layer.hpp"
#include "matrix.hpp"

namespace lanes {

// Tokens, given as whole numbers in float32, to rows of a table.
template <int W>
class Embedding final : public Layer<W> {
   public:
    Embedding(Shape in, int vocabulary, int size) : Layer<W>(in, {int(in.size()), 1, size}), vocabulary_(vocabulary), size_(size) {
        this->parameters = int64_t(vocabulary) * size;
    }

    void forward(const float* w, const Vec<W>* in, Vec<W>* out, const Chunk& chunk) override {
        for (int64_t t = 0; t < this->in.size(); ++t)
            for (int e = 0; e < size_; ++e) {
                Vec<W> found{};
                for (int lane = 0; lane < chunk.count; ++lane) found[lane] = w[row(in[t][lane]) + e];
                out[t * size_ + e] = found;
            }
    }

    void backward(const float*, const Vec<W>* in, const Vec<W>*, const Vec<W>* slope, Vec<W>*, float* gradient, const Chunk& chunk) override {
        for (int lane = 0; lane < chunk.count; ++lane)
            for (int64_t t = 0; t < this->in.size(); ++t)
                for (int e = 0; e < size_; ++e) gradient[row(in[t][lane]) + e] += slope[t * size_ + e][lane];
    }

   private:
    int64_t row(float token) const {
        if (!(token >= 0 && token < float(vocabulary_))) throw std::out_of_range("a token beyond the vocabulary");
        return int64_t(token) * size_;
    }

    int vocabulary_, size_;
};

template <int W>
class Lstm final : public Layer<W> {
    using V = Vec<W>;

   public:
    Lstm(Shape in, int hidden)
        : Layer<W>(in, {in.channels, 1, hidden}), inputs_(in.width), hidden_(hidden), gates_(int64_t(in.channels) * 4 * hidden),
          cells_(int64_t(in.channels) * hidden), squeezed_(int64_t(in.channels) * hidden), before_(int64_t(in.channels) * hidden),
          carried_(hidden), slopes_(hidden), of_inputs_(in.width, 4 * hidden, in.channels), of_states_(hidden, 4 * hidden, in.channels) {
        this->parameters = 4ll * hidden * (inputs_ + hidden + 2);
    }

    void forward(const float* w, const V* in, V* out, const Chunk&) override {
        const int h = hidden_;
        const float *states = w + 4ll * h * inputs_, *biases = states + 4ll * h * h;
        for (int t = 0; t < this->in.channels; ++t) {
            V* gate = gates_.data() + int64_t(t) * 4 * h;
            for (int n = 0; n < 4 * h; ++n) gate[n] = splat<W>(biases[n] + biases[4 * h + n]);
            add_product<W>(w, in + int64_t(t) * inputs_, gate, 4 * h, inputs_);
            if (t) add_product<W>(states, out + int64_t(t - 1) * h, gate, 4 * h, h);
            V *cell = cells_.data() + int64_t(t) * h, *squeezed = squeezed_.data() + int64_t(t) * h;
            for (int n = 0; n < h; ++n) {
                const V in_gate = gate[n] = sigmoid<W>(gate[n]), forget = gate[h + n] = sigmoid<W>(gate[h + n]);
                const V fresh = gate[2 * h + n] = hyperbolic_tangent<W>(gate[2 * h + n]);
                const V out_gate = gate[3 * h + n] = sigmoid<W>(gate[3 * h + n]);
                cell[n] = fma(in_gate, fresh, forget * (t ? cell[n - h] : V{}));
                squeezed[n] = hyperbolic_tangent<W>(cell[n]);
                out[int64_t(t) * h + n] = out_gate * squeezed[n];
            }
        }
    }

    void backward(const float* w, const V* in, const V* out, const V* slope, V* back, float* gradient, const Chunk& chunk) override {
        const int h = hidden_, places = this->in.channels;
        const float* states = w + 4ll * h * inputs_;
        for (int n = 0; n < h; ++n) carried_[n] = slopes_[n] = V{};
        if (back)
            for (int64_t n = 0; n < int64_t(places) * inputs_; ++n) back[n] = V{};
        for (int t = places - 1; t >= 0; --t) {
            V* gate = gates_.data() + int64_t(t) * 4 * h;
            gates_gradient(t, gate, slope + int64_t(t) * h);
            for (int n = 0; n < h; ++n) slopes_[n] = V{};
            add_transposed_product<W>(states, gate, slopes_.data(), 4 * h, h);
            if (back) add_transposed_product<W>(w, gate, back + int64_t(t) * inputs_, 4 * h, inputs_);
        }
        of_inputs_.add(in, gates_.data(), gradient, chunk.count);
        for (int n = 0; n < h; ++n) before_[n] = V{};
        for (int64_t n = 0; n < int64_t(places - 1) * h; ++n) before_[h + n] = out[n];
        of_states_.add(before_.data(), gates_.data(), gradient + 4ll * h * inputs_, chunk.count);
        float* biases = gradient + 4ll * h * (inputs_ + h);
        for (int n = 0; n < 4 * h; ++n) {
            V sum = gates_[n];
            for (int t = 1; t < places; ++t) sum += gates_[int64_t(t) * 4 * h + n];
            add_samples<W>(biases[n], sum, chunk.count);
            add_samples<W>(biases[4 * h + n], sum, chunk.count);
        }
    }

   private:
    // Puts the gradient of what went into the gates in their place; `slopes_` holds what later places say of this one's state.
    void gates_gradient(int t, V* gate, const V* slope) {
        const int h = hidden_;
        const V *cell = cells_.data() + int64_t(t) * h, *squeezed = squeezed_.data() + int64_t(t) * h;
        for (int n = 0; n < h; ++n) {
            const V in_gate = gate[n], forget = gate[h + n], fresh = gate[2 * h + n], out_gate = gate[3 * h + n];
            const V state = slope[n] + slopes_[n];
            const V memory = fma(state * out_gate, 1.0f - squeezed[n] * squeezed[n], carried_[n]);
            gate[n] = memory * fresh * in_gate * (1.0f - in_gate);
            gate[h + n] = memory * (t ? cell[n - h] : V{}) * forget * (1.0f - forget);
            gate[2 * h + n] = memory * in_gate * (1.0f - fresh * fresh);
            gate[3 * h + n] = state * squeezed[n] * out_gate * (1.0f - out_gate);
            carried_[n] = memory * forget;
        }
    }

    int inputs_, hidden_;
    Buffer<W> gates_, cells_, squeezed_, before_, carried_, slopes_;
    OuterProducts<W> of_inputs_, of_states_;
};

// The last place of a sequence.
template <int W>
class Last final : public Layer<W> {
   public:
    explicit Last(Shape in) : Layer<W>(in, {in.width, 1, 1}) {}

    void forward(const float*, const Vec<W>* in, Vec<W>* out, const Chunk&) override {
        for (int n = 0; n < this->in.width; ++n) out[n] = in[int64_t(this->in.channels - 1) * this->in.width + n];
    }

    void backward(const float*, const Vec<W>*, const Vec<W>*, const Vec<W>* slope, Vec<W>* back, float*, const Chunk&) override {
        const int64_t before = int64_t(this->in.channels - 1) * this->in.width;
        for (int64_t n = 0; n < before; ++n) back[n] = Vec<W>{};
        for (int n = 0; n < this->in.width; ++n) back[before + n] = slope[n];
    }
};

}  // namespace lanes
