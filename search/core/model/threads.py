"""One thread for the model: its matrices are small, and more threads would wait for those of training."""

import numpy as np  # noqa: F401 (loads the library of linear algebra, which the controller must see)
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController

one_thread = ThreadpoolController().wrap(limits=1)  # decorator of a function
