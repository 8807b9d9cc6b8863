"""``python -m htaflow.flows.cli``."""

import sys

from htaflow.flows.cli.main import main

sys.exit(main())
