// SPDX-License-Identifier: Apache-2.0
// The kernel's face for Python: a network's plan, weights and samples in, numbers out. A thread keeps the buffers of the network
// that it computed last, and nothing of what was in them counts.
#include <algorithm>
#include <cstring>

#include "descent.hpp"

namespace {

using namespace lanes;

struct Call {
    int32_t channels, height, width, layers;
    const int32_t* plan;
    Samples samples;
    const int64_t* indices;
    int64_t count;
    const volatile int32_t* cancelled;
};

enum Answer : int32_t { DONE = 0, CANCELLED = 1, UNFIT = 2, NO_MEMORY = 3, BEYOND_VOCABULARY = 4 };

template <class Do>
int32_t answer(Do work) {
    try {
        return work() ? DONE : CANCELLED;
    } catch (const std::bad_alloc&) {
        return NO_MEMORY;
    } catch (const std::out_of_range&) {
        return BEYOND_VOCABULARY;
    } catch (...) {
        return UNFIT;
    }
}

template <int W>
Network<W>& network_of(const Call& call) {
    struct Kept {
        Shape shape;
        std::vector<int32_t> plan;
        std::unique_ptr<Network<W>> network;
    };
    thread_local Kept last{};
    const Shape shape{call.channels, call.height, call.width};
    const std::vector<int32_t> plan(call.plan, call.plan + int64_t(call.layers) * NUMBERS);
    const bool same = last.network && last.plan == plan && last.shape.channels == shape.channels &&
                      last.shape.height == shape.height && last.shape.width == shape.width;
    if (!same) {
        last.network.reset();
        last = {shape, plan, std::make_unique<Network<W>>(shape, plan.data(), call.layers)};
    }
    return *last.network;
}

template <int W>
int64_t parameters(const Call& call) {
    return network_of<W>(call).parameters();
}

template <int W>
bool train(const Call& call, float* weights, const Descent& given, uint64_t seed, Trained* result) {
    Network<W>& network = network_of<W>(call);
    return descend<W>(network, weights, call.samples, call.indices, call.count, given, seed, call.cancelled, result);
}

template <int W>
bool evaluate(const Call& call, const float* weights, float* losses, float* probabilities, int64_t* largest, float* logits) {
    Network<W>& network = network_of<W>(call);
    for (int64_t from = 0; from < call.count; from += W) {
        if (*call.cancelled) return false;
        const Chunk chunk{0, int(std::min<int64_t>(W, call.count - from)), false};
        network.forward(weights, call.samples, call.indices + from, chunk);
        const auto found = network.losses(weights, call.samples, call.indices + from, chunk, 0.0f, nullptr);
        for (int lane = 0; lane < chunk.count; ++lane) {
            losses[from + lane] = found.loss[lane];
            probabilities[from + lane] = found.probability[lane];
            largest[from + lane] = found.largest[lane];
            if (logits)
                for (int c = 0; c < network.classes(); ++c) logits[(from + lane) * network.classes() + c] = network.logits()[c][lane];
        }
    }
    return true;
}

// Of the sum of the losses divided by `divisor`: in float32 within every 256 samples, in float64 over those.
template <int W>
bool gradient(const Call& call, const float* weights, double divisor, float* into) {
    constexpr int64_t PART = 256;
    Network<W>& network = network_of<W>(call);
    const int64_t size = network.parameters();
    AlignedVector<float> part(size);
    std::vector<double> total(size);
    for (int64_t from = 0; from < call.count; from += PART) {
        std::fill(part.begin(), part.end(), 0.0f);
        const int64_t end = std::min(call.count, from + PART);
        for (int64_t first = from; first < end; first += W) {
            if (*call.cancelled) return false;
            const Chunk chunk{0, int(std::min<int64_t>(W, end - first)), false};
            network.forward(weights, call.samples, call.indices + first, chunk);
            network.losses(weights, call.samples, call.indices + first, chunk, 1.0f, part.data());
        }
        for (int64_t n = 0; n < size; ++n) total[n] += part[n];
    }
    for (int64_t n = 0; n < size; ++n) into[n] = float(total[n] / divisor);
    return true;
}

}  // namespace

#ifdef __AVX512F__
#define BY_WIDTH(width, work, ...) ((width) == 16 ? work<16>(__VA_ARGS__) : work<8>(__VA_ARGS__))
#else
#define BY_WIDTH(width, work, ...) (work<8>(__VA_ARGS__))
#endif

extern "C" {

int32_t lanes_widest() {
#ifdef __AVX512F__
    return 16;
#else
    return 8;
#endif
}

int64_t lanes_parameters([[maybe_unused]] int32_t width, const Call* call) {
    int64_t found = -1;
    answer([&] {
        found = BY_WIDTH(width, parameters, *call);
        return true;
    });
    return found;
}

int32_t lanes_train([[maybe_unused]] int32_t width, const Call* call, float* weights, const Descent* given, uint64_t seed, Trained* result) {
    return answer([&] { return BY_WIDTH(width, train, *call, weights, *given, seed, result); });
}

int32_t lanes_evaluate([[maybe_unused]] int32_t width, const Call* call, const float* weights, float* losses, float* probabilities, int64_t* largest,
                       float* logits) {
    return answer([&] { return BY_WIDTH(width, evaluate, *call, weights, losses, probabilities, largest, logits); });
}

int32_t lanes_gradient([[maybe_unused]] int32_t width, const Call* call, const float* weights, double divisor, float* into) {
    return answer([&] { return BY_WIDTH(width, gradient, *call, weights, divisor, into); });
}
}
