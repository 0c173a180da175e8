# SPDX-License-Identifier: Apache-2.0
"""What is agreed: the contracts and the Python vocabulary made from them."""
