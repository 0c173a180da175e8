# SPDX-License-Identifier: Apache-2.0
"""The cross-device setting: many trainers, one evaluator at a time, objections, and the auditor of both."""
