"""Templates by name: texts, files, dev mode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mockforge_asgi.errors import ConfigError, TemplateFailed
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.reload.watcher import Watcher
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from tests.support.template_rendering import at_once, exchange, renderer
from tests.support.unprivileged_user import nobody, open_folder


def write(folder: Path, name: str, text: str | bytes, *, age: int = 0) -> None:
    """A template file, `age` seconds old, so that a later one has another time whatever the clock's step."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))


def text_of(made: Renderer, name: str) -> str:
    """What a template without variables makes."""
    response = at_once(made, exchange(), TemplateResponse(template=name))
    assert response is not None
    return response.body.decode()


def test_files_and_texts_are_found_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "file a")
    write(tmp_path, "sub/b.json", "{}")
    write(tmp_path, ".hidden", "x")
    write(tmp_path, "c.txt", "file c")
    store = TemplateStore(tmp_path, {"c.txt": "text c"})
    assert store.names == {"a.txt", "sub/b.json", "c.txt"}
    found = store.find("c.txt")
    assert found is not None and found.text == "text c"
    assert store.find("d.txt") is None


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/hostname", "sub/../../secret.txt", "link.txt", "linked/secret.txt", "..", "", "a\\b", ".env", "a\0b"]
)
@pytest.mark.parametrize("is_live", [False, True])
def test_nothing_outside_the_folder_is_found(tmp_path: Path, name: str, is_live: bool) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    write(tmp_path, "secret.txt", "secret")
    write(folder, ".env", "secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "linked").symlink_to(tmp_path)
    assert TemplateStore(folder, watcher=Watcher() if is_live else None).find(name) is None


def test_a_file_that_is_no_template_is_a_problem_at_load(tmp_path: Path) -> None:
    write(tmp_path, "bad.txt", b"\xff\xfe\xff")
    write(tmp_path, "long.txt", "x" * 2000)
    store = TemplateStore(tmp_path, max_bytes=1000)
    assert [str(p) for p in store.problems] == ["templates bad.txt: is not UTF-8 text", "templates long.txt: is longer than 1000 bytes"]
    assert TemplateStore(tmp_path / "none").problems
    assert TemplateStore(None, {"a": "x" * 2000}, max_bytes=1000).problems


def test_in_dev_mode_the_next_request_sees_a_changed_file(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "{% include 'b.txt' %}!", age=10)
    write(tmp_path, "b.txt", "one", age=10)
    made = renderer({}, folder=tmp_path, is_live=True)
    assert text_of(made, "a.txt") == "one!"
    write(tmp_path, "b.txt", "two")
    assert text_of(made, "a.txt") == "two!"
    write(tmp_path, "new.txt", "new")
    assert text_of(made, "new.txt") == "new"
    write(tmp_path, "b.txt", "{{ broken", age=-10)
    with pytest.raises(TemplateFailed, match=r"b\.txt.*line 1"):
        text_of(made, "a.txt")
    write(tmp_path, "b.txt", "mended", age=-20)
    assert text_of(made, "a.txt") == "mended!"
    (tmp_path / "b.txt").unlink()
    with pytest.raises(TemplateFailed, match=r"b\.txt"):
        text_of(made, "a.txt")


def test_otherwise_files_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "one", age=10)
    made = renderer({}, folder=tmp_path)
    write(tmp_path, "a.txt", "two")
    assert text_of(made, "a.txt") == "one"


def test_every_fault_is_found_at_load(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "ok\n{% if %}")
    write(tmp_path, "b.json", "{{ x | nope }}")
    write(tmp_path, "c.txt", "{% include 'gone.txt' %}")
    write(tmp_path, "d.txt", "{{ fine }}")
    with pytest.raises(ConfigError) as caught:
        renderer({}, folder=tmp_path).check()
    assert [p.place for p in caught.value.problems] == ["templates a.txt:2", "templates b.json:1", "templates c.txt:1"]


def test_a_fault_in_a_text_of_the_configuration_has_its_place_there() -> None:
    store = TemplateStore(None, {"a.txt": "ok\n{% if %}"}, locations={"a.txt": "mockforge.yaml:7 templates.inline['a.txt']"})
    with pytest.raises(ConfigError) as caught:
        Renderer(store).check()
    assert [p.place for p in caught.value.problems] == ["mockforge.yaml:7 templates.inline['a.txt'] line 2"]


def test_a_file_that_may_not_be_read_is_told_in_words() -> None:
    with open_folder() as place:
        (place / "a.txt").write_text("a")
        assert not TemplateStore(place).problems
        (place / "a.txt").chmod(0)
        with nobody():
            problems = TemplateStore(place).problems
    assert [str(p) for p in problems] == ["templates a.txt: cannot be read: Permission denied. Check its permissions."]
