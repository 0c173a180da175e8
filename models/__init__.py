# SPDX-License-Identifier: Apache-2.0
"""What is learned: networks, data, training, scoring, aggregation and the wire format."""
