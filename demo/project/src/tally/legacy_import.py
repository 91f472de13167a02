# SPDX-License-Identifier: Apache-2.0
"""Reads the spreadsheet's old export. Nothing has used it since 2024."""

import csv


def read_export(path):
    """Rows of the export as dictionaries."""
    with open(path, newline="") as export:
        return list(csv.DictReader(export, delimiter=";"))
