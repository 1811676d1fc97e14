"""clearprop's interpreter: the same graph, equation by equation with NumPy."""

from clearprop.train.stepper import Interpreted

from . import clearprop


class Entry(clearprop.Entry):
    packages = ("clearprop", "numpy")
    stepper = Interpreted
