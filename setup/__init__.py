# SPDX-License-Identifier: Apache-2.0
"""`make setup`: from Debian with python3, git and make to a tree in which everything runs.

Runs on the system's own Python, before there is any package: standard library only.
"""
