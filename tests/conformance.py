"""`python -m tests.conformance` is `python -m tests.tools.conformance`."""

import sys

from tests.tools.conformance import main

if __name__ == "__main__":
    sys.exit(main())
