# SPDX-License-Identifier: Apache-2.0
"""What any agent runs on: actions and the shell that carries them out, the process, its chronicle and its supervisor."""
