# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""``$filter`` of the Web API: string functions, lookup paths, lambdas and the ``Microsoft.Dynamics.CRM`` functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from p2c_lib.sandbox.dataverse import crm_functions
from p2c_lib.sandbox.dataverse.model import Navigation, collections, navigations, properties
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, away, too_many_conditions
from p2c_lib.sandbox.expression import And, Function, Lambda, Literal, Node, Not, Or, Path
from p2c_lib.sandbox.predicate import Operand, Predicate, Scope, Unfit, negated
from p2c_lib.sandbox.store import table

MOST_CONDITIONS = 500
_TEXT = {"contains": "%{}%", "startswith": "{}%", "endswith": "%{}"}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class SalesPredicate(Predicate):
    """Dataverse's dialect; ``parameters`` are the values of ``@p1`` aliases, an unassigned one is null."""

    def __init__(self, parameters: Mapping[str, Node], caller: crm_functions.Caller) -> None:
        self.parameters = parameters
        self.caller = caller

    def whole(self, node: Node, scope: Scope) -> str:
        """A whole ``$filter`` as an SQL condition; `Refusal` (400) when it has too many conditions."""
        if _conditions(node) > MOST_CONDITIONS:
            raise too_many_conditions()
        return self.condition(node, scope)

    def assigned(self, node: Node) -> Node:
        """The node, or what the alias stands for."""
        if isinstance(node, Path) and node.names[0].startswith("@"):
            return self.parameters.get(node.names[0], Literal("null", None))
        return node

    def operand(self, node: Node, scope: Scope) -> Operand:
        """The node as a value."""
        return super().operand(self.assigned(node), scope)

    def resolve(self, path: Path, scope: Scope) -> Operand:
        """A column, or a column behind single-valued navigation properties or a lambda's variable."""
        names = path.names
        if names[0] in scope.variables:
            scope, names = scope.variables[names[0]], names[1:]
        for at, name in enumerate(names[:-1]):
            navigation = navigations(scope.entity).get(name)
            if navigation is None:
                raise Unfit(_unknown(name, scope))
            origin = scope
            scope = scope.join((*names[: at + 1], scope.alias), navigation.target, _matcher(navigation, origin))
        if not names:
            raise Unfit(f"The range variable '{path.names[0]}' has no property.")
        column = properties(scope.entity).get(names[-1])
        if column is None:
            raise Unfit(_unknown(names[-1], scope))
        return scope.column(column)

    def fitted(self, left: Operand, right: Operand, op: str, scope: Scope) -> Operand:
        """A guid may come quoted; everything else must have the column's type."""
        if left.family == "guid" and right.family == "string" and _GUID.fullmatch(str(right.value)):
            return Operand(scope.binder.bind(str(right.value).lower()), "guid", constant=True)
        return super().fitted(left, right, op, scope)

    def function(self, node: Function, scope: Scope) -> Operand:
        """``contains``, ``startswith``, ``endswith`` and the qualified CRM functions."""
        if node.name in _TEXT:
            return self._text(node, scope)
        if node.name.startswith(f"{NAMESPACE}."):
            sql = crm_functions.condition(self, node, scope, self.caller)
            return Operand(sql, "bool")
        return super().function(node, scope)

    def _text(self, node: Function, scope: Scope) -> Operand:
        operands = [self.operand(argument, scope) for argument in node.arguments]
        fits = len(operands) == 2 and operands[0].family == "string" and operands[1].family in {"string", "null"}
        if not fits or node.named:
            raise Unfit(
                f"No function signature for the function with name '{node.name}' matches the specified arguments. The "
                f"function signatures considered are: {node.name}(Edm.String Nullable=true, Edm.String Nullable=true)."
            )
        if operands[1].family == "null":
            return Operand("(0)", "bool")
        if not operands[1].constant:
            raise Unfit(f"The second argument of '{node.name}' must be a literal.")
        pattern = _TEXT[node.name].format(operands[1].value)
        return Operand(wildcard(operands[0], pattern, scope), "bool")

    def each(self, node: Lambda, scope: Scope) -> str:
        """``any`` and ``all`` over a collection of the entity itself or of a lambda's variable."""
        whole, names = scope, node.path.names
        if names[0] in scope.variables:
            scope, names = scope.variables[names[0]], names[1:]
        if len(names) != 1:
            raise Unfit("A lambda under a lookup path is not supported.")
        collection = collections(scope.entity).get(names[0])
        if collection is None:
            raise Unfit(_unknown(names[0], scope))
        if node.variable in whole.variables:
            raise Unfit(f"The range variable '{node.variable}' has already been declared.")
        child = replace(scope, entity=collection.child, alias=scope.fresh(), joined={}, joins=[])
        inner = replace(whole, variables={**whole.variables, node.variable: child}, innermost=child)
        body = "1" if node.body is None else self.condition(node.body, inner)
        joins = " ".join(child.joins)
        matches = collection.matches(scope.alias, child.alias)
        wanted = negated(body) if node.every else body
        sql = f"(EXISTS (SELECT 1 FROM {table(child.entity)} AS {child.alias} {joins} WHERE {wanted} AND {matches}))"
        return negated(sql) if node.every else sql


def _conditions(node: Node) -> int:
    match node:
        case And(parts) | Or(parts):
            return sum(map(_conditions, parts))
        case Not(part):
            return _conditions(part)
        case Lambda(body=body):
            return 1 + (_conditions(body) if body is not None else 0)
        case _:
            return 1


def wildcard(left: Operand, pattern: str, scope: Scope) -> str:
    """SQL for a match in which ``%``, ``_``, ``[set]`` and ``[^set]`` are wildcards."""
    return f"(sales_like({left.sql}, {scope.binder.bind(pattern)}))"


def _matcher(navigation: Navigation, origin: Scope) -> Callable[[str], str]:
    return lambda alias: navigation.matches(origin.alias, alias)


def _unknown(name: str, scope: Scope) -> str:
    told = f"Could not find a property named '{name}' on type '{NAMESPACE}.{scope.entity.name}'."
    return f"{told}{away(name, scope.entity)}"
