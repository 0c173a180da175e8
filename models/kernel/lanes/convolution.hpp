// SPDX-License-Identifier: Apache-2.0
// A two-dimensional convolution: each lane is a sample, weights are shared by all lanes.
//
// Every sum runs in one order whatever the size of the blocks: forward over (channel, row, column) of the kernel; the
// inputs' gradient over (row, column) of the outputs, each term a sum over output channels; a weight's gradient over
// (row, column) of the outputs for each sample, then over samples in their order.
#pragma once

#include "layer.hpp"

namespace lanes {

template <int W>
class Convolution final : public Layer<W> {
    using V = Vec<W>;
    static constexpr int WIDE = MANY_REGISTERS ? 4 : 2;

   public:
    static constexpr int WIDEST_KERNEL = 5;

    Convolution(Shape in, int channels, int kernel, int stride, int padding, bool bias)
        : Layer<W>(in, {channels, (in.height + 2 * padding - kernel) / stride + 1, (in.width + 2 * padding - kernel) / stride + 1}),
          k_(kernel), s_(stride), pad_(padding), bias_(bias),
          height_(in.height + 2 * padding), width_(in.width + 2 * padding) {
        this->parameters = int64_t(channels) * in.channels * kernel * kernel + (bias ? channels : 0);
        if (pad_) padded_ = slopes_ = Buffer<W>(int64_t(in.channels) * height_ * width_);
    }

    void forward(const float* w, const V* in, V* out, const Chunk&) override {
        const V* source = pad(in);
        const Shape& o = this->out;
        int channel = 0;
        if (o.channels % 5 == 0)
            for (; channel < o.channels; channel += 5) forward_channels<5>(w, source, out, channel);
        for (; channel + 4 <= o.channels; channel += 4) forward_channels<4>(w, source, out, channel);
        for (; channel < o.channels; ++channel) forward_channels<1>(w, source, out, channel);
    }

    void backward(const float* w, const V* in, const V*, const V* slope, V* back, float* gradient, const Chunk& chunk) override {
        weights_gradient(pad(in), slope, gradient, chunk.count);
        if (!back) return;
        const Shape& i = this->in;
        V* target = pad_ ? slopes_.data() : back;
        for (int64_t n = 0; n < int64_t(i.channels) * height_ * width_; ++n) target[n] = V{};
        for (int channel = 0; channel < i.channels; ++channel) switch (k_) {
                case 1: inputs_gradient<1>(w, slope, target, channel); break;
                case 2: inputs_gradient<2>(w, slope, target, channel); break;
                case 3: inputs_gradient<3>(w, slope, target, channel); break;
                case 4: inputs_gradient<4>(w, slope, target, channel); break;
                default: inputs_gradient<5>(w, slope, target, channel);
            }
        if (pad_) crop(target, back);
    }

   private:
    const V* pad(const V* in) {
        if (!pad_) return in;
        const Shape& i = this->in;
        for (int c = 0; c < i.channels; ++c)
            for (int y = 0; y < i.height; ++y)
                for (int x = 0; x < i.width; ++x)
                    padded_[(int64_t(c) * height_ + y + pad_) * width_ + x + pad_] = in[(int64_t(c) * i.height + y) * i.width + x];
        return padded_.data();
    }

    void crop(const V* source, V* back) {
        const Shape& i = this->in;
        for (int c = 0; c < i.channels; ++c)
            for (int y = 0; y < i.height; ++y)
                for (int x = 0; x < i.width; ++x)
                    back[(int64_t(c) * i.height + y) * i.width + x] = source[(int64_t(c) * height_ + y + pad_) * width_ + x + pad_];
    }

    template <int C>
    void forward_channels(const float* w, const V* in, V* out, int channel) {
        for (int y = 0; y < this->out.height; ++y) {
            int x = 0;
            for (; x + WIDE <= this->out.width; x += WIDE) forward_block<C, WIDE>(w, in, out, channel, y, x);
            for (; x < this->out.width; ++x) forward_block<C, 1>(w, in, out, channel, y, x);
        }
    }

    template <int C, int P>
    LANES_INLINE void forward_block(const float* w, const V* in, V* out, int channel, int y, int x) {
        const Shape &i = this->in, &o = this->out;
        const int square = k_ * k_;
        const int64_t next = int64_t(i.channels) * square;
        const float* biases = w + int64_t(o.channels) * next;
        V sum[C][P];
        for (int c = 0; c < C; ++c)
            for (int p = 0; p < P; ++p) sum[c][p] = splat<W>(bias_ ? biases[channel + c] : 0.0f);
        const float* weights = w + channel * next;
        for (int from = 0; from < i.channels; ++from)
            for (int ky = 0; ky < k_; ++ky) {
                const V* row = in + (int64_t(from) * height_ + y * s_ + ky) * width_ + x * s_;
                const float* kernel = weights + from * square + ky * k_;
                for (int kx = 0; kx < k_; ++kx) {
                    V here[P];
                    for (int p = 0; p < P; ++p) here[p] = row[p * s_ + kx];
                    for (int c = 0; c < C; ++c) {
                        const V weight = splat<W>(kernel[c * next + kx]);
                        for (int p = 0; p < P; ++p) sum[c][p] = fma(weight, here[p], sum[c][p]);
                    }
                }
            }
        for (int c = 0; c < C; ++c)
            for (int p = 0; p < P; ++p) out[(int64_t(channel + c) * o.height + y) * o.width + x + p] = sum[c][p];
    }

    template <int K>
    void inputs_gradient(const float* w, const V* slope, V* back, int channel) {
        for (int y = 0; y < this->out.height; ++y) {
            int x = 0;
            for (; x + WIDE <= this->out.width; x += WIDE) inputs_block<K, WIDE>(w, slope, back, channel, y, x);
            for (; x < this->out.width; ++x) inputs_block<K, 1>(w, slope, back, channel, y, x);
        }
    }

    template <int K, int P>
    LANES_INLINE void inputs_block(const float* w, const V* slope, V* back, int channel, int y, int x) {
        const Shape &i = this->in, &o = this->out;
        const int64_t next = int64_t(i.channels) * K * K;
        for (int ky = 0; ky < K; ++ky) {
            V sum[K][P];
            for (int kx = 0; kx < K; ++kx)
                for (int p = 0; p < P; ++p) sum[kx][p] = V{};
            const float* kernel = w + (int64_t(channel) * K + ky) * K;
            const V* here = slope + int64_t(y) * o.width + x;
            for (int c = 0; c < o.channels; ++c, kernel += next, here += int64_t(o.height) * o.width) {
                for (int kx = 0; kx < K; ++kx) {
                    const V weight = splat<W>(kernel[kx]);
                    for (int p = 0; p < P; ++p) sum[kx][p] = fma(weight, here[p], sum[kx][p]);
                }
            }
            V* row = back + (int64_t(channel) * height_ + y * s_ + ky) * width_ + x * s_;
            for (int p = 0; p < P; ++p)
                for (int kx = 0; kx < K; ++kx) row[p * s_ + kx] += sum[kx][p];
        }
    }

    void weights_gradient(const V* in, const V* slope, float* gradient, int count) {
        int channel = 0;
        if (MANY_REGISTERS)
            for (; channel + 4 <= this->out.channels; channel += 4) of_channels<4>(in, slope, gradient, channel, count);
        for (; channel + 2 <= this->out.channels; channel += 2) of_channels<2>(in, slope, gradient, channel, count);
        for (; channel < this->out.channels; ++channel) of_channels<1>(in, slope, gradient, channel, count);
    }

    template <int C>
    void of_channels(const V* in, const V* slope, float* gradient, int channel, int count) {
        switch (k_) {
            case 1: of_kernel<C, 1>(in, slope, gradient, channel, count); break;
            case 2: of_kernel<C, 2>(in, slope, gradient, channel, count); break;
            case 3: of_kernel<C, 3>(in, slope, gradient, channel, count); break;
            case 4: of_kernel<C, 4>(in, slope, gradient, channel, count); break;
            default: of_kernel<C, 5>(in, slope, gradient, channel, count);
        }
    }

    template <int C, int K>
    void of_kernel(const V* in, const V* slope, float* gradient, int channel, int count) {
        const Shape &i = this->in, &o = this->out;
        const int64_t plane = int64_t(o.height) * o.width, next = int64_t(i.channels) * K * K;
        for (int from = 0; from < i.channels; ++from)
            for (int ky = 0; ky < K; ++ky) {
                V sum[C][K];
                for (int c = 0; c < C; ++c)
                    for (int kx = 0; kx < K; ++kx) sum[c][kx] = V{};
                for (int y = 0; y < o.height; ++y) {
                    const V* row = in + (int64_t(from) * height_ + y * s_ + ky) * width_;
                    const V* above = slope + channel * plane + int64_t(y) * o.width;
                    for (int x = 0; x < o.width; ++x)
                        for (int c = 0; c < C; ++c) {
                            const V one = above[c * plane + x];
                            for (int kx = 0; kx < K; ++kx) sum[c][kx] = fma(one, row[x * s_ + kx], sum[c][kx]);
                        }
                }
                for (int c = 0; c < C; ++c)
                    for (int kx = 0; kx < K; ++kx)
                        add_samples<W>(gradient[(channel + c) * next + (int64_t(from) * K + ky) * K + kx], sum[c][kx], count);
            }
        if (!bias_) return;
        for (int c = 0; c < C; ++c) {
            V sum = V{};
            for (int64_t n = 0; n < plane; ++n) sum += slope[(channel + c) * plane + n];
            add_samples<W>(gradient[o.channels * next + channel + c], sum, count);
        }
    }

    int k_, s_, pad_;
    bool bias_;
    int height_, width_;
    Buffer<W> padded_, slopes_;
};

}  // namespace lanes
