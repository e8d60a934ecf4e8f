"""`python -m api` is `roomlog-server`."""

import sys

from api.cli import main

sys.exit(main())
