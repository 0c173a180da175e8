# SPDX-License-Identifier: Apache-2.0
"""A consortium as its members see it: what each gained, gave and was paid, and how they judged each other."""
