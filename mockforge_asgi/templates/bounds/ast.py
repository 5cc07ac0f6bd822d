"""Rewriting: what is changed in a template's syntax tree and in the code made from it, so that everything that grows passes a meter; and
in its tokens, so that they are as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.idtracking import VAR_LOAD_RESOLVE
from jinja2.lexer import Lexer
from jinja2.meta import TrackingCodeGenerator
from jinja2.visitor import NodeTransformer

WRITTEN_JSON: Final = "_json"
"""The filter `json` where what it makes is put straight into the text."""
_VALUES_AT_ONCE: Final = 3
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
    """Folds no values into the output while compiling: they are escaped by their format, under a meter. What stands side by side is
    given out together, up to three values at a time, so that the rendering can still pause between them."""

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        """Text and values between two statements, as few `yield`s."""
        if frame.buffer is not None or len(node.nodes) == 1:
            return super().visit_Output(node, frame)
        if frame.require_output_check:  # as Jinja has it: below an active `extends` only blocks give anything
            if self.has_known_extends:
                return None
            self.writeline("if parent_template is None:")
            self.indent()
        finalize = self._make_finalize()
        for group in _grouped(node.nodes):
            self.writeline("yield ''.join((", group[0])
            for child in group:
                self.newline(child)
                if isinstance(child, nodes.TemplateData):
                    self.write(repr(child.data))
                else:
                    self._output_child_pre(child, frame, finalize)
                    self.visit(child, frame)
                    self._output_child_post(child, frame, finalize)
                self.write(",")
            self.write("))")
        if frame.require_output_check:
            self.outdent()
        return None

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible()
        return node.data

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if isinstance(node, nodes.Filter) and node.name == WRITTEN_JSON:
            self.write("(")
        else:
            super()._output_child_pre(node, frame, finalize)


def _grouped(children: list[nodes.Expr]) -> Iterator[list[nodes.Expr]]:
    """The parts of an output, up to three values and the text around them at a time; of values that may take long one at a time."""
    group, values = list[nodes.Expr](), 0
    for child in children:
        weight = _weight(child)
        if values and values + weight > _VALUES_AT_ONCE:
            yield group
            group, values = [], 0
        group.append(child)
        values += weight
    yield group


def _weight(child: nodes.Expr) -> int:
    if isinstance(child, nodes.TemplateData):
        return 0
    is_called = isinstance(child, nodes.Filter | nodes.Call) or any(child.find_all((nodes.Filter, nodes.Call)))
    return _VALUES_AT_ONCE if is_called else 1


class _Names(TrackingCodeGenerator):
    """Notes the names that generated code looks up, those that all templates have among them (which Jinja's own leaves out)."""

    def enter_frame(self, frame: Frame) -> None:
        super().enter_frame(frame)
        self.undeclared_identifiers.update(str(name) for action, name in frame.symbols.loads.values() if action == VAR_LOAD_RESOLVE)


def names_in(tree: nodes.Template) -> set[str]:
    """The names that a template takes from outside. Raises TemplateSyntaxError."""
    assert tree.environment is not None
    names = _Names(tree.environment)
    names.visit(tree)
    return names.undeclared_identifiers


class Bounds(NodeTransformer):
    """Puts a counter before each loop, a weight on each list made; `x | alias.fn(y)` becomes `alias.fn(x, y)`.

    `json_stands`: what the filter `json` makes needs no escaping in templates of this format, nor a mark that it needs none.
    """

    def __init__(self, *, json_stands: bool = False) -> None:
        self._json_stands = json_stands

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        for child in node.nodes:
            if self._json_stands and isinstance(child, nodes.Filter) and child.name in ("json", "tojson") and not child.args:
                child.name = WRITTEN_JSON
        return node

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
