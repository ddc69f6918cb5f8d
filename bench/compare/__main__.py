"""`python bench/compare` with this folder's package importable as `compare`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from compare.command import main  # noqa: E402

if __name__ == "__main__":
    main(sys.argv[1:])
