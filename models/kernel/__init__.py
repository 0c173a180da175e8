# SPDX-License-Identifier: Apache-2.0
"""The compiled kernel ``lanes``: what a small network does, with one sample in each lane of a vector register.

No sum crosses lanes and every sum has one order, so the same bits come out at any width, from any compiler and on any x86
processor that has AVX2 and FMA; torch, whose own sums follow the processor's instructions, is within rounding of it.
"""
