"""`python -m keras_icnn VERB`: the same as `keras-icnn VERB`."""

import sys

from keras_icnn.cli import main

sys.exit(main())
