"""Pages of one file, as a parser sees them and as a real browser does."""

import base64
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "source"}


class Page(HTMLParser):
    """A page as a list of elements, each with tag, attributes and text; tags have to nest."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open = [], []
        self.html = path.read_bytes().decode("utf-8")
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def all(self, tag):
        return [(attributes, "".join(text)) for t, attributes, text in self.elements if t == tag]

    def attributes(self, tag, name):
        return [attributes[name] for attributes, _ in self.all(tag) if name in attributes]

    @property
    def text(self):
        return " ".join("".join(self.elements[0][2]).split())


def content(address, kind):
    head, data = address.split(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(data, validate=True)


class Visit:
    """The page, open in Chromium, and what it asked for and complained about."""

    def __init__(self, chromium, path, **options):
        self.page = chromium.new_page(**options)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_function("() => [...document.querySelectorAll('audio')].every(a => a.readyState >= 1)")
