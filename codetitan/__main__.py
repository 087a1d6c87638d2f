"""`python -m codetitan` is `codetitan`."""

import sys

from codetitan.cli import main

sys.exit(main())
