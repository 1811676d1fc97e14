"""What users call on functions: derivatives, graphs, gradient checks, looks inside compiled code."""

from .checking import check_grads
from .compiled import jit
from .gradients import grad, hessian, hvp, jvp, value_and_grad, vjp
from .graphs import make_graph
from .profile import profile
from .show import show

__all__ = [
    "check_grads",
    "grad",
    "hessian",
    "hvp",
    "jit",
    "jvp",
    "make_graph",
    "profile",
    "show",
    "value_and_grad",
    "vjp",
]
