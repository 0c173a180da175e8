// SPDX-License-Identifier: Apache-2.0
// Layers without weights: rectified units, max-pooling, dropout.
#pragma once

#include <vector>

#include "layer.hpp"

namespace lanes {

template <int W>
class Relu final : public Layer<W> {
   public:
    explicit Relu(Shape shape) : Layer<W>(shape, shape) {}

    void forward(const float*, const Vec<W>* in, Vec<W>* out, const Chunk&) override {
        for (int64_t n = 0; n < this->in.size(); ++n) out[n] = in[n] < Vec<W>{} ? Vec<W>{} : in[n];
    }

    void backward(const float*, const Vec<W>*, const Vec<W>* out, const Vec<W>* slope, Vec<W>* back, float*, const Chunk&) override {
        if (!back) return;
        for (int64_t n = 0; n < this->in.size(); ++n) back[n] = out[n] > Vec<W>{} ? slope[n] : Vec<W>{};
    }
};

template <int W>
class MaxPool final : public Layer<W> {
   public:
    MaxPool(Shape in, int kernel, int stride)
        : Layer<W>(in, {in.channels, (in.height - kernel) / stride + 1, (in.width - kernel) / stride + 1}), k_(kernel), s_(stride) {}

    void forward(const float*, const Vec<W>* in, Vec<W>* out, const Chunk&) override {
        each_window([&](const int64_t corner, const int64_t place) {
            Vec<W> most = in[corner];
            for (int k = 1; k < k_ * k_; ++k) {
                const Vec<W> here = in[corner + k / k_ * this->in.width + k % k_];
                most = ((here > most) | (here != here)) ? here : most;
            }
            out[place] = most;
        });
    }

    // The first of equals takes it all.
    void backward(const float*, const Vec<W>* in, const Vec<W>* out, const Vec<W>* slope, Vec<W>* back, float*, const Chunk&) override {
        if (!back) return;
        for (int64_t n = 0; n < this->in.size(); ++n) back[n] = Vec<W>{};
        each_window([&](const int64_t corner, const int64_t place) {
            IntVec<W> open = IntVec<W>{} - 1;
            for (int k = 0; k < k_ * k_; ++k) {
                const int64_t at = corner + k / k_ * this->in.width + k % k_;
                const IntVec<W> taken = (in[at] == out[place]) & open;
                back[at] += taken ? slope[place] : Vec<W>{};
                open &= ~taken;
            }
        });
    }

   private:
    template <class Do>
    LANES_INLINE void each_window(Do work) {
        int64_t place = 0;
        for (int c = 0; c < this->out.channels; ++c)
            for (int y = 0; y < this->out.height; ++y)
                for (int x = 0; x < this->out.width; ++x, ++place)
                    work((int64_t(c) * this->in.height + y * s_) * this->in.width + x * s_, place);
    }

    int k_, s_;
};

// Its masks are drawn for a whole batch before the batch begins, in the order in which torch draws them.
template <int W>
class Dropout final : public Layer<W> {
   public:
    Dropout(Shape shape, float p, bool whole_channels)
        : Layer<W>(shape, shape), p_(p), each_(whole_channels ? int64_t(shape.height) * shape.width : 1) {}

    template <class Random>
    void draw(int samples, Random& random) {
        if (p_ == 0.0f || p_ == 1.0f) return;
        masks_.resize(samples * units());
        const float kept = 1.0f / (1.0f - p_);
        for (float& mask : masks_) mask = random.uniform() >= p_ ? kept : 0.0f;
    }

    void forward(const float*, const Vec<W>* in, Vec<W>* out, const Chunk& chunk) override { apply(in, out, chunk); }

    void backward(const float*, const Vec<W>*, const Vec<W>*, const Vec<W>* slope, Vec<W>* back, float*, const Chunk& chunk) override {
        if (back) apply(slope, back, chunk);
    }

   private:
    int64_t units() const { return this->in.size() / each_; }

    void apply(const Vec<W>* in, Vec<W>* out, const Chunk& chunk) const {
        for (int64_t unit = 0; unit < units(); ++unit) {
            Vec<W> mask = splat<W>(1.0f);
            if (chunk.training && p_ == 1.0f) mask = Vec<W>{};
            if (chunk.training && p_ != 0.0f && p_ != 1.0f)
                for (int lane = 0; lane < chunk.count; ++lane) mask[lane] = masks_[(chunk.first + lane) * units() + unit];
            for (int64_t n = unit * each_; n < (unit + 1) * each_; ++n) out[n] = in[n] * mask;
        }
    }

    float p_;
    int64_t each_;
    std::vector<float> masks_;
};

}  // namespace lanes
