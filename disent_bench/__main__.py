"""``python -m disent_bench`` is the command line."""

import sys

from disent_bench.cli.main import main

sys.exit(main())
