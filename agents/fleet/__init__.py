# SPDX-License-Identifier: Apache-2.0
"""Who is there when: light clients come late, miss rounds, hand in late and leave."""
