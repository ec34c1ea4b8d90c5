"""helpers.webpage: the frame of every page, its policy, and how it is written."""

import base64
import hashlib
import re

import jinja2
import pytest

from helpers import webpage

TEMPLATES = sorted(path.name for path in webpage.TEMPLATES.glob("*.html") if path.name != "base.html")


@pytest.fixture
def template(tmp_path, monkeypatch):
    """A folder of templates with the frame and one page, whose script is one.js."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for name in ("base.html", "base.css"):
        (folder / name).write_text((webpage.TEMPLATES / name).read_text("utf-8"), "utf-8")
    (folder / "one.js").write_text("let one = '<b>ü';", "utf-8")
    body = '{% extends "base.html" %}{% block body %}<p>{{ title | paragraphs | join("|") }}</p>{% endblock %}'
    (folder / "one.html").write_text(body, "utf-8")
    monkeypatch.setattr(webpage, "TEMPLATES", folder)
    return "one.html"


def policy_in(html):
    [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    return policy


def test_a_policy_allows_nothing_but_what_is_asked_for():
    bare = webpage.policy()
    assert bare == "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert "media-src data:;" in webpage.policy(media=True)
    digest = base64.b64encode(hashlib.sha256("ü".encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'; img" in webpage.policy("ü")


def test_a_page_has_its_script_and_the_policy_for_it(template, tmp_path):
    path = tmp_path / "new" / "page.html"
    webpage.write(path, template, {"title": "a"}, script="one.js", media=True)
    html = path.read_text("utf-8")
    [script] = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert script == "let one = '<b>ü';"
    assert policy_in(html) == webpage.policy(script, media=True)


def test_a_page_without_a_script_allows_none(template, tmp_path):
    path = tmp_path / "page.html"
    webpage.write(path, template, {"title": "a"})
    html = path.read_text("utf-8")
    assert "<script" not in html
    assert "script-src" not in policy_in(html)
    assert policy_in(html) == webpage.policy()


def test_values_are_text(template, tmp_path):
    path = tmp_path / "page.html"
    webpage.write(path, template, {"title": "</title><b>\n\nb \ud800"})  # the last is no UTF-8
    html = path.read_text("utf-8")
    assert "<title>&lt;/title&gt;&lt;b&gt;\n\nb ?</title>" in html
    assert "<p>&lt;/title&gt;&lt;b&gt;|b ?</p>" in html


def test_a_value_that_is_missing_leaves_the_page_of_before(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("before")
    with pytest.raises(jinja2.UndefinedError, match="'title' is undefined"):
        webpage.write(path, "base.html", {})
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("name", ["page", "page.htm", "a/page.html.txt"])
def test_a_page_is_called_html(name):
    with pytest.raises(ValueError, match=r"the name of the page must end in \.html; it is page[.\w]*"):
        webpage.checked_path(name)
    assert webpage.checked_path("~/a.HTML").is_absolute()


def test_data_is_an_address():
    assert webpage.data(b"\x00\xff", "image/webp") == "data:image/webp;base64,AP8="


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_page_has_the_frame_and_nothing_from_elsewhere(name):
    source = (webpage.TEMPLATES / name).read_text("utf-8")
    assert '{% extends "base.html" %}' in source
    assert not re.search(r"https?://|<meta|<script(?! type=.application/json)|@import|url\(", source)


def test_colours_are_said_once():
    """A colour of the text or the background stands in base.css, and is replaced for paper; pages only name it."""
    for path in webpage.TEMPLATES.glob("*.*"):
        if path.name not in ("base.css", "paper.css"):
            assert "--text:" not in path.read_text("utf-8"), path.name
