"""What is wrong on demand, and what service providers make of it: the table of the how-to is what happens."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from plugins_builtin.idp_saml.defects import DEFECTS, NONE, REPLAYED
from plugins_builtin.idp_saml.tests.parties import Idp, NodeServer, Party, PySaml2, Python3Saml, auth_saml
from plugins_builtin.idp_saml.wrapping import FORGED
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "idp-saml.md"
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in PAGE.read_text().splitlines()
    if line.endswith(("refused |", "taken |"))
]
LIBRARIES = ("auth-saml", "python3-saml", "pysaml2", "node-saml", "samlify")
TOLD = {row[0].strip("`"): dict(zip(LIBRARIES, row[2:], strict=True)) for row in ROWS}


def test_the_table_and_the_manifest_name_all_defects() -> None:
    assert list(TOLD) == list(DEFECTS)
    for name, row in zip(DEFECTS, ROWS, strict=True):
        assert name == "comment-in-name" or row[1].startswith(
            (DEFECTS[name].words.partition(",")[0], "it has the identifier", "the login failed")
        )
    manifest: dict[str, Any] = yaml.safe_load((ROOT / "plugins_builtin" / "idp_saml" / "plugin.yaml").read_text())
    assert manifest["config"]["$defs"]["defect"]["enum"] == [NONE, *DEFECTS]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # pysaml2's, where a signature is bad
@pytest.mark.parametrize("library", LIBRARIES)
def test_each_cell_of_the_table_is_what_happens(library: str, idp: Idp, node: NodeServer, tmp_path: Any) -> None:
    def party(signs: str) -> Party:
        if library == "python3-saml":
            return Python3Saml(idp, signs, None)
        if library == "auth-saml":
            return opened.enter_context(auth_saml(f"{idp.base}/metadata", signs))
        return PySaml2(idp, signs, None, tmp_path) if library == "pysaml2" else node.parties(idp, signs, None)[library]

    signed_by = {name: "response" if defect.signs == "response" else "assertion" for name, defect in DEFECTS.items()}
    found, names, good = {}, {}, ""
    with ExitStack() as opened:
        for signs in ("assertion", "response"):
            provider = party(signs)
            for name in (NONE, *(name for name in DEFECTS if signed_by[name] == signs)):
                if name in (NONE, REPLAYED):
                    taken = provider.log_in()
                    assert taken.name is not None, taken.why
                    good = taken.name
                taken = provider.log_in(defect=name)
                assert (taken.name is None) == bool(taken.why) and taken.name != FORGED
                found[name], names[name] = "refused" if taken.name is None else "taken", taken.name
    assert {name: found[name] for name in TOLD} == {name: cells[library] for name, cells in TOLD.items()}
    assert names["comment-in-name"] in (None, f"{good}.elsewhere.example"), "the name was cut at the comment"
    gc.collect()  # while those warnings are off
