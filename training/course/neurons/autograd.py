"""Automatic differentiation of single numbers: a graph that knows how each of its values was made.

Reverse mode: one walk from the result back to the inputs multiplies local derivatives on every path and adds
up the paths. The derivatives are values of such a graph too, so they can be differentiated once more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _none(_: "Value") -> tuple["Value", ...]:
    return ()


@dataclass(eq=False, slots=True)
class Value:
    """A number, the operation that made it and the values it was made of.

    Attributes:
        data: The number.
        name: Of an input, for pictures.
        operation: That made it; "" for an input.
        parents: What the operation worked on.
        local: Of this value: its derivatives by each of the parents.
    """

    data: float
    name: str = ""
    operation: str = ""
    parents: tuple["Value", ...] = ()
    local: Callable[["Value"], tuple["Value", ...]] = _none

    def __add__(self, other: "Value | float") -> "Value":
        other = _value(other)
        return Value(self.data + other.data, "", "+", (self, other), lambda _: (Value(1.0), Value(1.0)))

    def __mul__(self, other: "Value | float") -> "Value":
        other = _value(other)
        return Value(self.data * other.data, "", r"$\times$", (self, other), lambda _: (other, self))

    def __pow__(self, exponent: float) -> "Value":
        return Value(
            self.data**exponent,
            "",
            f"^{exponent:g}",
            (self,),
            lambda _: (exponent * self ** (exponent - 1),),
        )

    def exp(self) -> "Value":
        """The exponential function, its own derivative."""
        return Value(math.exp(self.data), "", "exp", (self,), lambda y: (y,))

    def log(self) -> "Value":
        """The natural logarithm of a positive value."""
        return Value(math.log(self.data), "", "log", (self,), lambda _: (self**-1,))

    def tanh(self) -> "Value":
        """The hyperbolic tangent; its derivative is 1 - y^2."""
        return Value(math.tanh(self.data), "", "tanh", (self,), lambda y: (1 - y * y,))

    def sigmoid(self) -> "Value":
        """1 / (1 + exp(-x)); its derivative is y (1 - y)."""
        # By tanh, because exp(-x) overflows for large negative x.
        y = (1 + math.tanh(self.data / 2)) / 2
        return Value(y, "", r"$\sigma$", (self,), lambda y: (y * (1 - y),))

    def relu(self) -> "Value":
        """max(x, 0); its derivative at 0 is taken as 0."""
        return Value(max(self.data, 0.0), "", "ReLU", (self,), lambda _: (Value(float(self.data > 0)),))

    def __neg__(self) -> "Value":
        return self * -1.0

    def __sub__(self, other: "Value | float") -> "Value":
        return self + -_value(other)

    def __rsub__(self, other: float) -> "Value":
        return _value(other) - self

    def __truediv__(self, other: "Value | float") -> "Value":
        return self * _value(other) ** -1

    __radd__, __rmul__ = __add__, __mul__


def _value(number: Value | float) -> Value:
    return number if isinstance(number, Value) else Value(float(number))


def topological_order(result: Value) -> list[Value]:
    """All values that the result depends on, parents before children, the result last."""
    order: list[Value] = []
    seen: set[Value] = set()
    stack = [(result, False)]  # not recursive: a sum of 784 products is deeper than Python's stack
    while stack:
        value, parents_are_done = stack.pop()
        if parents_are_done:
            order.append(value)
        elif value not in seen:
            seen.add(value)
            stack.append((value, True))
            stack.extend((parent, False) for parent in reversed(value.parents))
    return order


def backpropagate(result: Value) -> dict[Value, Value]:
    """The derivative of the result by each value that it depends on."""
    gradients = {result: Value(1.0)}
    for value in reversed(topological_order(result)):
        for parent, local in zip(value.parents, value.local(value), strict=True):
            share = gradients[value] * local  # the chain rule: upstream times local
            gradients[parent] = gradients[parent] + share if parent in gradients else share
    return gradients


def gradient(result: Value, inputs: Sequence[Value]) -> list[Value]:
    """The derivatives of the result by these inputs; 0 for those that it does not depend on."""
    gradients = backpropagate(result)
    return [gradients.get(value, Value(0.0)) for value in inputs]


def jacobian(results: Sequence[Value], inputs: Sequence[Value]) -> list[list[float]]:
    """Row i, column j: the derivative of results[i] by inputs[j]."""
    return [[entry.data for entry in gradient(result, inputs)] for result in results]


def hessian(result: Value, inputs: Sequence[Value]) -> list[list[float]]:
    """The second derivatives: the Jacobian of the gradient."""
    return jacobian(gradient(result, inputs), inputs)
