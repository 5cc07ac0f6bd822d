"""Rewriting: what is changed in a template's syntax tree and in the code made from it, so that everything that grows passes a meter; and
in its tokens, so that they are as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.lexer import Lexer
from jinja2.visitor import NodeTransformer

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class ExactLexer(Lexer):
    """Gives line ends back as they were written: Jinja reads each as a line feed, and tells the line where a token begins."""

    def tokeniter(self, source: str, *args: Any, **kwargs: Any) -> Iterator[tuple[int, str, str]]:
        """The tokens: their line, kind and text."""
        ends = _LINE_END.findall(source) if "\r" in source else ()
        for line, token, text in super().tokeniter(source, *args, **kwargs):
            if ends and "\n" in text:
                first, *rest = text.split("\n")
                text = first + "".join(end + part for end, part in zip(ends[line - 1 : line - 1 + len(rest)], rest, strict=True))
            yield line, token, text

    def _normalize_newlines(self, value: str) -> str:
        return value


class Generator(CodeGenerator):
    """Folds no values into the output while compiling: they are escaped by their kind, under a meter."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible()
        return node.data


class Bounds(NodeTransformer):
    """Puts a counter before each loop, a weight on each list made; `x | alias.fn(y)` becomes `alias.fn(x, y)`."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _through(node.iter, "_rounds")
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._weighed(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._weighed(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._weighed(node) if node.ctx == "load" else self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        none = nodes.Const(None, lineno=node.lineno)
        return _through(node.node, "_slice", node.arg.start or none, node.arg.stop or none, node.arg.step or none)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        self.generic_visit(node)
        alias, dot, function = node.name.partition(".")
        if not dot or node.node is None:
            return node
        callee = nodes.Getattr(nodes.Name(alias, "load", lineno=node.lineno), function, "load", lineno=node.lineno)
        call = nodes.Call(callee, [node.node, *node.args], node.kwargs, node.dyn_args, node.dyn_kwargs, lineno=node.lineno)
        call.environment = callee.environment = node.environment
        return call

    def _weighed(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        return node if all(isinstance(child, nodes.Const) for child in node.iter_child_nodes()) else _through(node, "_weighed")


def _through(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    made = nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
    made.environment = node.environment
    return made
