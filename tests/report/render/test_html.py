"""The HTML page: escapes everything, loads nothing, keeps drawings apart."""

import base64
import hashlib
import html
import itertools
import re
from html.parser import HTMLParser

import jinja2
import pytest

from nil_audit.report.plots.palette import INK, RAMP
from nil_audit.report.plots.style import new_figure, plot_style, svg_text
from nil_audit.report.render.html import environment, inline_svg, render_html
from nil_audit.report.render.page import (
    Aside,
    Bullets,
    Cell,
    Column,
    Figure,
    KeyNumber,
    Listing,
    Page,
    Prose,
    Section,
    Table,
)

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)></script></style></textarea>--><!-- {{ 7*7 }}"


class _Outline(HTMLParser):
    """Elements with their attributes, and the text inside each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _svg(words: str = "x") -> str:
    with plot_style():
        figure = new_figure(2)
        figure.set_layout_engine("none")
        axes = figure.add_subplot()
        axes.scatter([1, 2], [1, 2], c=RAMP[0], clip_on=True)
        axes.text(1, 1, words, parse_math=False, color=INK)
        return svg_text(figure)


def _evil_page() -> Page:
    figures = (
        Figure(name=name, caption=EVIL, description=EVIL, svg=_svg(EVIL), png=b"", pdf=b"") for name in ("one", "two")
    )
    columns = (Column(label=EVIL, help=EVIL), Column(label="n", numeric=True))
    rows = ((Cell(text=EVIL, href="https://huggingface.co/a/b"), Cell(text=EVIL, value=1.5)),)
    blocks = (
        Prose(text=EVIL),
        Bullets(items=(EVIL,)),
        Aside(title=EVIL, items=(EVIL,)),
        Listing(text=EVIL),
        *figures,
        Table(caption=EVIL, columns=columns, rows=rows, name="models", choices=(0,), note=EVIL),
    )
    return Page(
        title=EVIL,
        kicker=EVIL,
        answer=(EVIL, EVIL),
        claim=EVIL,
        figure=Figure(name="first", caption=EVIL, description=EVIL, svg=_svg(EVIL), png=b"", pdf=b""),
        numbers=(KeyNumber(label=EVIL, value=EVIL, detail=EVIL, span=(-0.5, 0.0, 0.5)),),
        sections=(
            Section(name="s", title=EVIL, blocks=blocks),
            Section(name="t", title=EVIL, blocks=(Prose(text=EVIL),), folded=True),
        ),
        footer=(EVIL,),
    )


@pytest.fixture(scope="module")
def evil() -> str:
    return render_html(_evil_page())


def test_nothing_hostile_becomes_markup(evil):
    outline = _Outline(evil)
    assert len(outline.of("script")) == 1
    assert not outline.of("img")
    assert not [name for _, attributes in outline.elements for name in attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in html.unescape(evil) and "49 " not in evil
    # Every place that was given the text shows it: as content, in attributes, inside both drawings.
    assert html.unescape(evil).count("alert(2)") >= 18


def test_nothing_is_loaded_from_anywhere(evil):
    outline = _Outline(evil)
    for tag, attributes in outline.elements:
        assert "src" not in attributes and "srcset" not in attributes and "action" not in attributes, tag
        for name, value in attributes.items():
            if name == "href" and tag == "a":
                assert value and value.startswith(("#", "https://huggingface.co/", "https://arxiv.org/"))
            elif name in ("href", "xlink:href"):
                assert value and value.startswith(("#", "data:")), (tag, value)
    assert not re.search(r"@import|url\((?!#|&)", evil)


def test_the_policy_admits_this_script_and_no_other(evil):
    (policy,) = [m["content"] for m in _Outline(evil).of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    script = re.search(r"<script>(.*?)</script>\n</body>", evil, flags=re.DOTALL)
    assert script and policy
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_identifiers_are_unique_and_references_resolve(evil):
    outline = _Outline(evil)
    names = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(names) == len(set(names))
    wanted = {
        value[1:]
        for _, attributes in outline.elements
        for name, value in attributes.items()
        if name in ("href", "xlink:href", "aria-labelledby") and value and value.startswith("#")
    } | set(re.findall(r"url\(#([^)]+)\)", evil))
    assert wanted and wanted <= set(names)


def test_headings_descend_one_level_at_a_time(evil):
    levels = [int(tag[1]) for tag, _ in _Outline(evil).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_a_drawing_follows_the_pages_colours_and_rules_nothing_outside_itself():
    body = str(inline_svg(_svg("name"), "p", "A <drawing>"))
    assert body.startswith("<svg") and "<style" not in body and "width=" not in body.split(">")[0]
    assert f"var(--size-1, {RAMP[0]})" in body and f"var(--plot-ink, {INK})" in body
    assert 'aria-label="A &lt;drawing&gt;"' in body
    assert ">name</text>" in body


def test_a_tone_is_a_class_beside_the_words():
    columns = (Column(label="Model"), Column(label="Verdict"), Column(label="n", numeric=True))
    row = (Cell(text="a"), Cell(text="outside", tone="bad"), Cell(text="1", tone="good"))
    table = Table(caption="C", columns=columns, rows=(row,))
    text = render_html(
        Page(title="T", kicker="K", answer=("A",), sections=(Section(name="s", title="S", blocks=(table,)),))
    )
    assert '<td class="w bad">outside</td>' in text and '<td class="n good">1</td>' in text
    style = text[text.index("<style>") : text.index("</style>")]
    for tone in ("good", "doubtful", "bad"):
        assert f".{tone} {{ color: var(--{tone}); }}" in style and style.count(f"--{tone}: #") == 2


def test_two_pages_of_the_same_content_are_the_same_bytes(evil):
    assert render_html(_evil_page()) == evil


def test_rows_beyond_the_first_200_wait_in_a_template():
    rows = tuple((Cell(text=f"m{number}"),) for number in range(1000))
    table = Table(caption="C", columns=(Column(label="Model"),), rows=rows, name="models")
    page = Page(title="T", kicker="K", answer=("A",), sections=(Section(name="s", title="S", blocks=(table,)),))
    text = render_html(page)
    before, _, after = text.partition("<template>")
    assert before.count("<tr>") == 201 and after.count("<tr>") == 800


def test_a_template_that_lacks_a_value_fails_and_does_not_print_nothing():
    with pytest.raises(jinja2.UndefinedError):
        environment().get_template("page.html.j2").render()


def test_a_folded_section_is_closed_behind_its_heading_and_others_are_open():
    sections = (
        Section(name="open", title="Open", blocks=(Prose(text="Seen."),)),
        Section(name="shut", title="Shut", blocks=(Prose(text="Unseen."),), folded=True),
    )
    text = render_html(Page(title="T", kicker="K", answer=("A",), sections=sections))
    assert text.count("<details>") == text.count("</details>") == 1
    assert text.index("Seen.") < text.index("<details>") < text.index("Shut</h2></summary>") < text.index("Unseen.")


def test_the_first_figure_follows_what_is_set_apart():
    figure = Figure(name="first", caption="Caption.", description="D", svg=_svg("drawn"), png=b"", pdf=b"")
    text = render_html(Page(title="T", kicker="K", claim="Claimed.", answer=("One.", "Two."), figure=figure))
    places = [text.index(part) for part in ("Claimed.", "One.", "Caption.", "Two.", "</header>")]
    assert places == sorted(places)
