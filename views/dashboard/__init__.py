# SPDX-License-Identifier: Apache-2.0
"""The live pages of ``bcfl dashboard``: fragments drawn from what an onlooker sees, pushed when that changes."""
