"""What users call on functions: derivatives, graphs, gradient checks."""

from .checking import check_grads
from .compiled import jit
from .gradients import grad, hessian, hvp, jvp, value_and_grad, vjp
from .graphs import make_graph

__all__ = ["check_grads", "grad", "hessian", "hvp", "jit", "jvp", "make_graph", "value_and_grad", "vjp"]
