// SPDX-License-Identifier: Apache-2.0
// Layers one behind the other, made from a plan: for each its kind and seven numbers.
#pragma once

#include <memory>
#include <stdexcept>
#include <vector>

#include "convolution.hpp"
#include "linear.hpp"
#include "loss.hpp"
#include "random.hpp"
#include "recurrent.hpp"
#include "simple.hpp"

namespace lanes {

enum Kind : int32_t { CONVOLUTION = 1, MAX_POOL, RELU, LINEAR, DROPOUT, EMBEDDING, LSTM, LAST };
constexpr int NUMBERS = 8;

enum Form : int32_t { FLOATS, BYTES, INTEGERS };

// Samples as they lie in memory, (n, size), which the network sees times `scale`.
struct Samples {
    const void* inputs;
    int32_t form;
    float scale;
    const int64_t* targets;
};

template <int W>
class Network {
   public:
    Network(Shape input, const int32_t* plan, int layers) : input_(input) {
        Shape shape = input;
        for (int n = 0; n < layers; ++n, plan += NUMBERS) {
            layers_.push_back(make(shape, plan));
            shape = layers_.back()->out;
        }
        // where the same linear layer answers at every place of a sequence, each place has its own logits
        classes_ = layers && plan[-NUMBERS] == LINEAR ? plan[1 - NUMBERS] : 1;
        places_ = int(shape.size() / classes_);
        offsets_.push_back(0);
        activations_.emplace_back(input.size());
        slopes_.emplace_back(0);
        for (auto& layer : layers_) {
            offsets_.push_back(offsets_.back() + layer->parameters);
            activations_.emplace_back(layer->out.size());
            slopes_.emplace_back(layer->out.size());
        }
        while (first_ < int(layers_.size()) && !layers_[first_]->parameters) ++first_;
    }

    int64_t parameters() const { return offsets_.back(); }
    int classes() const { return classes_; }
    const Vec<W>* logits() { return activations_.back().data(); }

    void draw_masks(int samples, Random& random) {
        for (auto& layer : layers_)
            if (auto* dropout = dynamic_cast<Dropout<W>*>(layer.get())) dropout->draw(samples, random);
    }

    void forward(const float* weights, const Samples& samples, const int64_t* indices, const Chunk& chunk) {
        gather(samples, indices, chunk.count);
        for (size_t n = 0; n < layers_.size(); ++n)
            layers_[n]->forward(weights + offsets_[n], activations_[n].data(), activations_[n + 1].data(), chunk);
    }

    // Losses after `forward`, with every place's the mean over them; with `gradient`, that of their sum times `factor` is added to it.
    CrossEntropy<W> losses(const float* weights, const Samples& samples, const int64_t* indices, const Chunk& chunk, float factor,
                           float* gradient) {
        CrossEntropy<W> found{};
        for (int place = 0; place < places_; ++place) {
            const int64_t at = int64_t(place) * classes_;
            const auto here = CrossEntropy<W>::of(logits() + at, classes_, targets(samples, indices, chunk.count, place), chunk.count,
                                                  factor / float(places_), gradient ? slopes_.back().data() + at : nullptr);
            found.loss += here.loss / float(places_);
            found.probability = here.probability;
            found.largest = here.largest;
        }
        if (gradient)
            for (int n = int(layers_.size()) - 1; n >= first_; --n)
                layers_[n]->backward(weights + offsets_[n], activations_[n].data(), activations_[n + 1].data(), slopes_[n + 1].data(),
                                     n > first_ ? slopes_[n].data() : nullptr, gradient + offsets_[n], chunk);
        return found;
    }

   private:
    static std::unique_ptr<Layer<W>> make(Shape in, const int32_t* p) {
        switch (p[0]) {
            case CONVOLUTION: return std::make_unique<Convolution<W>>(in, p[1], p[2], p[3], p[4], p[5] != 0);
            case MAX_POOL: return std::make_unique<MaxPool<W>>(in, p[1], p[2]);
            case RELU: return std::make_unique<Relu<W>>(in);
            case LINEAR: return std::make_unique<Linear<W>>(in, p[1], p[2] != 0, p[3] ? in.channels : 1);
            case DROPOUT: {
                float share;
                __builtin_memcpy(&share, p + 1, sizeof share);
                return std::make_unique<Dropout<W>>(in, share, p[2] != 0);
            }
            case EMBEDDING: return std::make_unique<Embedding<W>>(in, p[1], p[2]);
            case LSTM: return std::make_unique<Lstm<W>>(in, p[1]);
            case LAST: return std::make_unique<Last<W>>(in);
            default: throw std::invalid_argument("a kind of layer that is not known");
        }
    }

    void gather(const Samples& samples, const int64_t* indices, int count) {
        switch (samples.form) {
            case FLOATS: return gather_from((const float*)samples.inputs, samples.scale, indices, count);
            case BYTES: return gather_from((const uint8_t*)samples.inputs, samples.scale, indices, count);
            default: return gather_from((const int64_t*)samples.inputs, samples.scale, indices, count);
        }
    }

    template <class T>
    void gather_from(const T* inputs, float scale, const int64_t* indices, int count) {
        float* into = (float*)activations_[0].data();
        const int64_t size = input_.size();
        for (int lane = 0; lane < W; ++lane)
            for (int64_t n = 0; n < size; ++n) into[n * W + lane] = lane < count ? float(inputs[indices[lane] * size + n]) * scale : 0.0f;
    }

    // The class of a sample, or the token that follows a place, which behind the last place is the sample's class.
    IntVec<W> targets(const Samples& samples, const int64_t* indices, int count, int place) {
        IntVec<W> found{};
        for (int lane = 0; lane < count; ++lane)
            found[lane] = place + 1 < places_ ? int32_t(activations_[0][place + 1][lane]) : int32_t(samples.targets[indices[lane]]);
        return found;
    }

    Shape input_;
    int classes_ = 0, places_ = 1, first_ = 0;
    std::vector<std::unique_ptr<Layer<W>>> layers_;
    std::vector<int64_t> offsets_;
    std::vector<Buffer<W>> activations_, slopes_;
};

}  // namespace lanes
