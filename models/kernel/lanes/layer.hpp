// SPDX-License-Identifier: Apache-2.0
// What a layer is: activations of W samples at a time, one sample a lane, and parameters that all lanes share.
#pragma once

#include <cstdlib>
#include <new>
#include <vector>

#include "vector.hpp"

namespace lanes {

template <class T>
struct CacheAligned {
    using value_type = T;
    T* allocate(std::size_t n) {
        void* found = std::aligned_alloc(64, (n * sizeof(T) + 63) / 64 * 64);
        if (!found) throw std::bad_alloc();
        return static_cast<T*>(found);
    }
    void deallocate(T* p, std::size_t) { std::free(p); }
    bool operator==(const CacheAligned&) const { return true; }
    bool operator!=(const CacheAligned&) const { return false; }
};
template <class T>
using AlignedVector = std::vector<T, CacheAligned<T>>;

// So many vectors, zero at first.
template <int W>
class Buffer {
   public:
    explicit Buffer(int64_t vectors = 0) : numbers_(vectors * W) {}
    Vec<W>* data() { return reinterpret_cast<Vec<W>*>(numbers_.data()); }
    Vec<W>& operator[](int64_t n) { return data()[n]; }

   private:
    AlignedVector<float> numbers_;
};

// Channels of height × width; numbers without places are channels of 1 × 1. A sequence has its length as width.
struct Shape {
    int channels, height, width;
    int64_t size() const { return int64_t(channels) * height * width; }
};

// W samples of a batch that are worked on together: `count` of the lanes hold one, the batch's from `first` on.
struct Chunk {
    int first, count;
    bool training;
};

template <int W>
class Layer {
   public:
    Layer(Shape in, Shape out) : in(in), out(out) {}
    virtual ~Layer() = default;

    virtual void forward(const float* weights, const Vec<W>* in, Vec<W>* out, const Chunk& chunk) = 0;
    // Adds to `gradient`, sample by sample in their order, and writes the inputs' gradient to `back` unless that is null.
    virtual void backward(const float* weights, const Vec<W>* in, const Vec<W>* out, const Vec<W>* slope, Vec<W>* back,
                          float* gradient, const Chunk& chunk) = 0;

    Shape in, out;
    int64_t parameters = 0;
};

// A weight's gradient grows by one sample after the other, so that it does not matter how many a register holds.
template <int W>
LANES_INLINE void add_samples(float& sum, const Vec<W>& of_each, int count) {
    float grown = sum;
    for (int lane = 0; lane < count; ++lane) grown += of_each[lane];
    sum = grown;
}

}  // namespace lanes
