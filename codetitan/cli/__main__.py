"""`python -m codetitan.cli`."""

import sys

from codetitan.cli import main

sys.exit(main())
