# SPDX-License-Identifier: Apache-2.0
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from tally.report import by_category, read, render


class ReportTest(unittest.TestCase):
    def test_entries_of_a_category_are_added_up(self):
        entries = read(["2026-01-04 groceries 41.20", "2026-01-05 groceries 12.05"])
        self.assertEqual(render(by_category(entries)), "groceries   53.25")


if __name__ == "__main__":
    unittest.main()
