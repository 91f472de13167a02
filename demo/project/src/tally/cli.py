# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import sys
from pathlib import Path

from tally.report import by_category, read, render


def main():
    """Print the report of the file that is named."""
    entries = read(Path(sys.argv[1]).read_text().splitlines())
    print(render(by_category(entries)))


if __name__ == "__main__":
    main()
