"""`python -m evse`: the command line without its script."""

import sys

from evse.cli import main

sys.exit(main())
