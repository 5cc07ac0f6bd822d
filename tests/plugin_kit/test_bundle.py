"""An author's files as modules of their own."""

from __future__ import annotations

import sys

import pytest

from mockforge_plugin.bundle import Bundle


def test_two_bundles_may_have_modules_of_one_name() -> None:
    one = Bundle({"plugin.py": "from helper import x", "helper.py": "x = 1"}, prefix="one").run("plugin.py")
    two = Bundle({"plugin.py": "from helper import x", "helper.py": "x = 2"}, prefix="two").run("plugin.py")
    assert (one.x, two.x) == (1, 2)


def test_a_module_is_run_once_and_shared() -> None:
    files = {"plugin.py": "import a, b\nsame = a.c is b.c", "a.py": "import c", "b.py": "import c", "c.py": "runs = 1"}
    assert Bundle(files, prefix="shared").run("plugin.py").same is True


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from . import nothing", "no module 'nothing'"),
        ("from .nothing import x", "no module 'nothing'"),
        ("from .. import x", "above the plugin's folder"),
        ("import nothing_at_all", "nothing_at_all"),
        ("from helper import y", "cannot import name 'y'"),
    ],
)
def test_a_missing_module_is_an_import_error(statement: str, words: str) -> None:
    with pytest.raises(ImportError, match=words):
        Bundle({"plugin.py": statement, "helper.py": ""}, prefix="missing").run("plugin.py")


def test_packages_and_relative_imports() -> None:
    files = {
        "plugin.py": "import p.q.r\nfrom p.q import r as again\nfrom p import q\nsame = p.q.r is again is q.r\nvalue = again.value",
        "p/__init__.py": "base = 1",
        "p/q/__init__.py": "",
        "p/q/r.py": "from ... import helper\nfrom .. import base\nvalue = base + helper.one",
        "helper.py": "one = 1",
    }
    module = Bundle(files, prefix="packages").run("plugin.py")
    assert (module.same, module.value) == (True, 2)


@pytest.mark.parametrize(
    "statement",
    ["import rules.known\nvalue = rules.known.value", "from rules import known\nvalue = known.value", "from rules.known import value",
     "from .rules.known import value", "from . import rules\nfrom .rules import known\nvalue = rules.known.value",
     "import rules.deep.more\nvalue = rules.deep.more.value"],
)  # fmt: skip
def test_a_folder_without_init_is_a_package(statement: str) -> None:
    files = {
        "plugin.py": statement,
        "rules/known.py": "from . import other\nvalue = other.value",
        "rules/other.py": "value = 7",
        "rules/deep/more.py": "from ..known import value",
    }
    bundle = Bundle(files, prefix="folders")
    assert bundle.run("plugin.py").value == 7
    bundle.close()
    assert not [name for name in sys.modules if name.startswith("folders.")]


def test_a_folder_without_init_does_not_hide_the_standard_library() -> None:
    files = {
        "plugin.py": "import email\nimport email.utils\nfrom .email import mine\nvalue = (email.__name__, mine.x)",
        "email/mine.py": "x = 1",
    }
    assert Bundle(files, prefix="hiding").run("plugin.py").value == ("email", 1)


@pytest.mark.parametrize(("source", "line", "text"), [("x = 1\nreturn 2\n", 2, "return 2"), ("def f(:\n    pass\n", 1, "def f(:")])
def test_a_syntax_error_has_its_line_though_there_is_no_file(source: str, line: int, text: str) -> None:
    with pytest.raises(SyntaxError) as failed:
        Bundle({"plugin.py": source}, prefix="syntax").run("plugin.py")
    assert (failed.value.filename, failed.value.lineno, (failed.value.text or "").strip()) == ("plugin.py", line, text)


def test_a_failed_module_can_be_tried_again_and_leaves_nothing() -> None:
    bundle = Bundle({"plugin.py": "raise ValueError"}, prefix="failed")
    for _ in range(2):
        with pytest.raises(ValueError):
            bundle.run("plugin.py")
    assert "failed.plugin" not in sys.modules


def test_closing_forgets_the_modules() -> None:
    bundle = Bundle({"plugin.py": ""}, prefix="closed")
    bundle.run("plugin.py")
    assert "closed.plugin" in sys.modules
    bundle.close()
    assert "closed.plugin" not in sys.modules


def test_dataclasses_with_text_annotations_find_their_module() -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n"
        "@dataclass\nclass A:\n    n: ClassVar[int] = 1\n    x: int = 2\nvalue = A()\n"
    )
    assert Bundle({"plugin.py": source}, prefix="dataclass").run("plugin.py").value.x == 2


def test_file_names_are_shown_without_the_folder() -> None:
    bundle = Bundle({"plugin.py": "", "a/b.py": ""}, prefix="shown", folder="/plugins/x/")
    assert bundle.author_files == {"/plugins/x/plugin.py": "plugin.py", "/plugins/x/a/b.py": "a/b.py"}


def test_an_entry_that_is_not_there_names_what_is() -> None:
    with pytest.raises(FileNotFoundError, match=r"no file 'main\.py'; it has plugin\.py"):
        Bundle({"plugin.py": ""}).run("main.py")
