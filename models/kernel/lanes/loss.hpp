// SPDX-License-Identifier: Apache-2.0
// Cross-entropy of the softmax of logits, a sample a lane.
#pragma once

#include "functions.hpp"
#include "layer.hpp"

namespace lanes {

template <int W>
struct CrossEntropy {
    Vec<W> loss;         // in nats
    Vec<W> probability;  // of the true class
    IntVec<W> largest;   // the first class whose logit is largest

    // `slope`, unless null, becomes the gradient of the sum of the losses times `factor`; 0 in lanes beyond `count`.
    static CrossEntropy of(const Vec<W>* logits, int classes, const IntVec<W>& target, int count, float factor, Vec<W>* slope) {
        using V = Vec<W>;
        CrossEntropy found{};
        V most = logits[0], true_logit = logits[0];
        for (int c = 0; c < classes; ++c) {
            const IntVec<W> more = (logits[c] > most) | ((logits[c] != logits[c]) & (most == most));
            most = more ? logits[c] : most;
            found.largest = more ? IntVec<W>{} + c : found.largest;
            true_logit = target == IntVec<W>{} + c ? logits[c] : true_logit;
        }
        V sum{};
        for (int c = 0; c < classes; ++c) sum += exponential<W>(logits[c] - most);
        found.loss = logarithm<W>(sum) - (true_logit - most);
        found.probability = exponential<W>(true_logit - most) / sum;
        if (!slope) return found;
        IntVec<W> valid{};
        for (int lane = 0; lane < count; ++lane) valid[lane] = -1;
        for (int c = 0; c < classes; ++c) {
            const V share = exponential<W>(logits[c] - most) / sum;
            const V whole = target == IntVec<W>{} + c ? share - 1.0f : share;
            slope[c] = valid ? whole * factor : V{};
        }
        return found;
    }
};

}  // namespace lanes
