// SPDX-License-Identifier: Apache-2.0
// Stochastic gradient descent on mini-batches, as torch.optim.SGD does it.
#pragma once

#include <cmath>

#include "network.hpp"

namespace lanes {

struct Descent {
    double learning_rate, momentum, weight_decay, proximal, clip_norm;
    int64_t batch_size, epochs, most_steps;  // most_steps < 0: all
    int32_t shuffle, nesterov;
};

struct Trained {
    double loss;  // a sample, over the last epoch
    int64_t steps;
};

class Steps {
   public:
    Steps(const Descent& given, float* weights, int64_t size)
        : given_(given), weights_(weights), start_(given.proximal != 0 ? std::vector<float>(weights, weights + size) : std::vector<float>()),
          momentum_(given.momentum != 0 ? size : 0) {}

    void take(float* gradient, int64_t size) {
        if (!start_.empty())
            for (int64_t n = 0; n < size; ++n)
                gradient[n] = __builtin_fmaf(float(given_.proximal), weights_[n] - start_[n], gradient[n]);
        if (given_.clip_norm != 0) clip(gradient, size);
        const float decay = float(given_.weight_decay), kept = float(given_.momentum), rate = float(given_.learning_rate);
        for (int64_t n = 0; n < size; ++n) {
            float slope = decay != 0 ? __builtin_fmaf(decay, weights_[n], gradient[n]) : gradient[n];
            if (!momentum_.empty()) {
                momentum_[n] = first_ ? slope : momentum_[n] * kept + slope;
                slope = given_.nesterov ? __builtin_fmaf(kept, momentum_[n], slope) : momentum_[n];
            }
            weights_[n] = __builtin_fmaf(-rate, slope, weights_[n]);
        }
        first_ = false;
    }

   private:
    void clip(float* gradient, int64_t size) const {
        double squares = 0;
        for (int64_t n = 0; n < size; ++n) squares += double(gradient[n]) * gradient[n];
        const float factor = float(given_.clip_norm / (std::sqrt(squares) + 1e-6));
        if (factor < 1)
            for (int64_t n = 0; n < size; ++n) gradient[n] *= factor;
    }

    Descent given_;
    float* weights_;
    std::vector<float> start_, momentum_;
    bool first_ = true;
};

// Trains `weights` where they are; false: `cancelled` became true before the end.
template <int W>
bool descend(Network<W>& network, float* weights, const Samples& samples, const int64_t* indices, int64_t count, const Descent& given,
             uint64_t seed, const volatile int32_t* cancelled, Trained* result) {
    Random random(seed);
    const int64_t size = network.parameters();
    Steps steps(given, weights, size);
    AlignedVector<float> gradient(size);
    std::vector<int64_t> order(indices, indices + count);
    for (int64_t epoch = 0; epoch < given.epochs; ++epoch) {
        if (given.shuffle) {
            const auto places = random.permutation(count);
            for (int64_t n = 0; n < count; ++n) order[n] = indices[places[n]];
        }
        double total = 0;
        int64_t seen = 0;
        for (int64_t from = 0; from < count; from += given.batch_size) {
            if (*cancelled) return false;
            if (given.most_steps >= 0 && result->steps >= given.most_steps) return true;
            const int64_t batch = std::min(given.batch_size, count - from);
            network.draw_masks(int(batch), random);
            std::fill(gradient.begin(), gradient.end(), 0.0f);
            for (int64_t first = 0; first < batch; first += W) {
                const Chunk chunk{int(first), int(std::min<int64_t>(W, batch - first)), true};
                const int64_t* of_chunk = order.data() + from + first;
                network.forward(weights, samples, of_chunk, chunk);
                const auto found = network.losses(weights, samples, of_chunk, chunk, 1.0f / float(batch), gradient.data());
                for (int lane = 0; lane < chunk.count; ++lane) total += found.loss[lane];
            }
            seen += batch;
            steps.take(gradient.data(), size);
            ++result->steps;
            result->loss = total / double(seen);
        }
    }
    return true;
}

}  // namespace lanes
