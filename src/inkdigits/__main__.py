"""`python -m inkdigits` is `inkdigits`."""

import sys

from inkdigits.cli.main import main

sys.exit(main())
