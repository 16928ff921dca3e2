"""The HTML report in a real browser: Chromium, driven by Playwright, checked by axe-core.

Screenshots go to `build/screenshots`.
"""

import os
import shutil
from pathlib import Path

import pytest
from report_data import SIZE, beside_the_square, grey_pictures, network, pictures

import keras_icnn as icnn
from keras_icnn.visualize import report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs pip install axe-playwright-python"
)

pytestmark = pytest.mark.tensorflow_only("every backend writes the same page for the browser")

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
DESKTOP = {"viewport": {"width": 1360, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
VIEWS = {
    "desktop": DESKTOP,
    "dark": {**DESKTOP, "color_scheme": "dark"},
    "phone": PHONE,
    "phone_dark": {**PHONE, "color_scheme": "dark"},
}


def _chromium():
    """The system's Chromium, or Playwright's own where that is installed; None: neither."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    with playwright.sync_playwright() as p:
        return p.chromium.executable_path if os.path.exists(p.chromium.executable_path) else None


@pytest.fixture(scope="module")
def browser():
    path = _chromium()
    if path is None:
        pytest.skip("needs a Chromium: apt-get install chromium, or playwright install chromium")
    with playwright.sync_playwright() as p:
        # A container's root user has no sandbox to run in; the page is our own file.
        opened = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return report(network(), pictures(), folder / "r.html", network(False), radius=8.0)


class Opened:
    """A page that was opened from disk, and all that it complained about or asked for."""

    def __init__(self, browser, path, fragment="", **options):
        self.context = browser.new_context(**options)
        # A busy machine is no failure.
        self.context.set_default_timeout(180_000)
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", lambda m: self.complaints.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]")

    def __enter__(self):
        return self.page

    def __exit__(self, *exception):
        self.context.close()
        if exception[0] is None:
            assert self.complaints == []
            foreign = [u for u in self.requests if not u.startswith(("data:", "file:"))]
            assert foreign == [] and sum(u.startswith("file:") for u in self.requests) == 1


def drawn(page, within):
    """Waits until every canvas that is on the screen is painted."""
    page.wait_for_function(
        """(within) => [...document.querySelectorAll(within + " canvas")].every((c) => {
            const box = c.getBoundingClientRect();
            // A dialog ends before the screen does, and what lies beyond its edge is not drawn.
            const frame = c.closest("dialog")?.getBoundingClientRect().bottom ?? innerHeight;
            const seen = box.width && box.top < Math.min(innerHeight, frame) - 2 && box.bottom > 2;
            return !seen || c.hasAttribute("data-drawn");
        })""",
        arg=within,
    )


def accessible(page):
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def shoot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def value(text):
    """A number as the page writes it, with the mathematical minus."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def scores(page, column=0):
    cards = page.locator(f"#filter-columns .column >> nth={column}").locator(".filter")
    return [value(t.split()[-1]) for t in cards.locator(".score").all_inner_texts()]


def numbers(page, column=0):
    cards = page.locator(f"#filter-columns .column >> nth={column}").locator(".filter")
    return [int(t.split()[-1]) for t in cards.locator("strong").all_inner_texts()]


@pytest.mark.medium
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible_and_fits(view, browser, path):
    with Opened(browser, path, **VIEWS[view]) as page:
        shoot(page, f"{view}_short")
        accessible(page)
        for section in ("parts", "images", "figures"):
            page.locator(f"#{section}").evaluate("e => e.scrollIntoView({behavior: 'instant'})")
            drawn(page, f"#{section}")
            shoot(page, f"{view}_{section}")
        # Only the table scrolls sideways, in its own frame.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # What is folded up is as good as the rest.
        page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#filter-columns .open").first.click()
        drawn(page, "#dialog")
        shoot(page, f"{view}_filter")
        accessible(page)
        page.locator("#dialog .picture").first.click()
        drawn(page, "#dialog")
        shoot(page, f"{view}_decision")
        accessible(page)
        assert page.evaluate("dialog.scrollWidth <= dialog.clientWidth")


def every_filter(page):
    """Lists all filters of all categories, instead of each part of the first one once."""
    page.select_option("#category", "")
    page.uncheck("#once")


def test_sorting(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        every_filter(page)
        # The ordinary network's stand by themselves, the other's together by part.
        by_r2 = scores(page, 1)
        assert len(by_r2) == 24 and by_r2 == sorted(by_r2, reverse=True)
        page.select_option("#sort", "number")
        assert numbers(page, 1) == list(range(24))
        page.get_by_role("button", name="More of ordinary").click()
        assert numbers(page, 1) == list(range(30)) and len(numbers(page)) == 24
        # The first of the new ones has the focus, so that a keyboard goes on there.
        assert page.evaluate("document.activeElement.dataset.filter") == "24"


def test_filters_of_a_part_are_together(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        every_filter(page)
        first, second = page.locator("#filter-columns .column").all()
        # The ordinary network has no parts of its own.
        assert second.locator(".part").count() == 0 and len(numbers(page, 1)) == 24
        assert len(set(numbers(page))) == len(numbers(page)) == 24
        keys = page.evaluate("networks[0].groups.of.map((g) => networks[0].groups.keys[g])")
        blocks = first.locator(".part").all()
        assert len({block.get_attribute("data-part") for block in blocks}) == len(blocks) > 8
        best = []
        for block in blocks:
            cards = block.locator(".filter strong").all_inner_texts()
            assert {keys[int(card.split()[-1])] for card in cards} == {
                block.get_attribute("data-part")
            }
            best.append(value(block.locator(".score").first.inner_text().split()[-1]))
            assert block.locator("h4").inner_text().startswith(block.get_attribute("data-part"))
        assert best == sorted(best, reverse=True)
        page.fill("#search", keys[0])
        assert len(numbers(page)) == keys.count(keys[0]) and first.locator(".part").count() == 1


def test_each_part_once_with_the_count_of_its_filters(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        page.select_option("#category", "")
        keys = page.evaluate("networks[0].groups.of.map((g) => networks[0].groups.keys[g])")
        first = page.locator("#filter-columns .column").first
        boxes = first.locator(".part").all()
        assert len(boxes) == len(set(keys)) > 8 and numbers(page) == []
        for box in boxes:
            key = box.get_attribute("data-part")
            assert box.locator("h4").inner_text() == key
            count = keys.count(key)
            said = box.locator(".hint").inner_text()
            assert f"{count} filter" in said and said.startswith(key.split("/")[0])
        page.fill("#search", keys[0])
        assert first.locator(".part").count() == 1
        # The page begins with one category.
        page.fill("#search", "")
        page.select_option("#category", "hare")
        shown = [box.get_attribute("data-part") for box in first.locator(".part").all()]
        assert shown and all(key.startswith("hare/") for key in shown)
        assert page.inner_text("#effects-title") == "What “hare” rests on"
        rows = page.locator("#effects table").first.locator("tbody tr")
        means = [value(t.split()[0]) for t in rows.locator("td.effect").all_inner_texts()]
        assert len(means) == len(shown) and means == sorted(means, reverse=True)


def test_images_of_a_part_are_those_on_which_its_filters_fire_most(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        category, members, chosen, strengths, labels = page.evaluate("""() => {
            const n = networks[0];
            const group = n.groups.of[4];
            const members = n.members(group);
            const strengths = content.labels.map((_, i) => members.map((f) => n.strength(i, f)));
            const labels = content.labels.map((label) => className(label));
            const chosen = imagesOfPart(n, group, 4);
            return [n.groups.categories[group], members, chosen, strengths, labels];
        }""")
        # 30 filters assigned to three categories and eight parts: 4 and 28 share one.
        assert members == [4, 28] and category == "cat"
        sums = {i: sum(row) for i, row in enumerate(strengths) if labels[i] == category}
        assert chosen == sorted(sums, key=lambda i: (-sums[i], i))[:4]
        block = page.locator("#filter-columns .part", has_text="cat/1")
        page.select_option("#category", "cat")
        drawn(page, "#parts")
        assert "every peak" in block.locator("> canvas").get_attribute("aria-label")


def test_search_and_choice(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        every_filter(page)
        page.fill("#search", "7")
        assert numbers(page) == [7] == numbers(page, 1)
        page.fill("#search", "no such filter")
        assert numbers(page) == []
        assert "0 of 30 filters in interpretable" in page.inner_text("#count")
        page.fill("#search", "")
        page.select_option("#part", "no part")
        texts = page.locator("#filter-columns .filter .head").all_inner_texts()
        assert texts and all("follows no part" in text for text in texts)
        page.select_option("#part", "")
        page.select_option("#category", "hare")
        texts = page.locator("#filter-columns .filter .head").all_inner_texts()
        assert texts and all("hare" in text for text in texts)
        page.select_option("#category", "")
        page.check("#once")
        page.select_option("#sort", "number")
        content = page.evaluate("networks.map(n => [new Set(n.groups.of).size, n.filters])")
        for column, (groups, _) in enumerate(content):
            boxes = page.locator(f"#filter-columns .column >> nth={column}").locator(".part")
            assert boxes.count() == min(groups, 24)


def test_a_filter_opens_by_keyboard_and_the_focus_comes_back(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        every_filter(page)
        card = page.locator("#filter-columns .filter").nth(1)
        number = card.locator("strong").inner_text()
        card.focus()
        page.keyboard.press("Enter")
        assert page.locator("#dialog-title").inner_text().startswith(number)
        assert page.evaluate("document.activeElement.id") == "dialog-title"
        page.get_by_role("button", name="Next", exact=True).click()
        third = page.locator("#filter-columns .filter strong").nth(2).inner_text()
        assert page.locator("#dialog-title").inner_text().startswith(third)
        page.keyboard.press("ArrowLeft")
        assert page.locator("#dialog-title").inner_text().startswith(number)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        fourth = page.locator("#filter-columns .filter strong").nth(3).inner_text()
        assert page.locator("#dialog-title").inner_text().startswith(fourth)
        page.keyboard.press("Escape")
        assert not page.locator("#dialog").is_visible()
        assert page.evaluate("document.activeElement.className") == "filter"


def test_from_a_filter_to_a_decision_and_back(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        page.locator("#filter-columns .open").first.click()
        title = page.locator("#dialog-title").inner_text()
        page.locator("#dialog .picture").first.click()
        assert page.locator("#dialog-title").inner_text().startswith("The decision")
        # Both networks, and in each the shown lines make up the score.
        columns = page.locator("#dialog .column")
        assert columns.count() == 2
        for column in columns.all():
            lines = column.locator(".effects .value").all_inner_texts()
            values = [value(line) for line in lines]
            assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.005 * len(values) + 0.005)
        columns.nth(1).locator(".effects button").first.click()
        assert "ordinary" in page.locator("#dialog .facts").first.inner_text()
        page.click("#back")
        page.click("#back")
        assert page.locator("#dialog-title").inner_text() == title


def test_why_filters_are_one_part_is_said_as_it_is(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        every_filter(page)
        page.fill("#search", "4")
        page.locator("#filter-columns .column").first.locator('[data-filter="4"]').click()
        said = page.inner_text("#dialog-body")
        assert "1 other filter was assigned to cat/1, too: they are one part." in said
        page.click("#close")
        page.fill("#search", "")
        page.evaluate(
            "const g = networks[0].groups;"
            "g.of.fill(0); g.follows[0] = g.keys[0] = ''; listFilters()"
        )
        page.locator("#filter-columns .filter").first.click()
        said = page.inner_text("#dialog-body")
        assert "29 other filters look at the same place in the same images: they are" in said
        page.click("#close")
        # Those named after a part follow it, each at a place of its own.
        page.evaluate("networks[0].groups.follows[0] = 'head'")
        page.locator("#filter-columns .filter").first.click()
        said = page.inner_text("#dialog-body")
        assert "29 other filters follow the head, too: they are one part" in said
        assert "same place" not in said


def test_a_part_without_a_place_is_listed_and_not_drawn(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        page.evaluate("Object.assign(networks[0].decisions[0].parts[0], { x: null, y: null })")
        page.locator("#image-grid .picture").first.click()
        drawn(page, "#dialog")
        column = page.locator("#dialog .column").first
        label = column.locator("canvas").first.get_attribute("aria-label")
        assert "1: " in label and label.split("; ")[0].count("nowhere above zero") == 1
        assert column.locator(".effects button").count() > 0


def test_images_are_chosen_by_name_and_class(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        labels = page.evaluate("content.labels")
        assert page.locator("#image-grid .picture").count() == len(labels)
        page.select_option("#image-show", "class:1")
        assert page.locator("#image-grid .picture").count() == labels.count(1)
        page.select_option("#image-show", "wrong:1")
        wrong = page.evaluate(
            "content.labels.filter((l, i) => networks[1].decisions[i].predicted !== l)"
        )
        assert page.locator("#image-grid .picture").count() == len(wrong)
        page.select_option("#image-show", "all")
        page.fill("#image-search", page.evaluate("content.files[3]"))
        assert page.locator("#image-grid .picture").first.get_attribute("data-image") == "3"


def test_the_ring_is_where_the_peak_is(browser, tmp_path):
    model = network(False, filters=16, outputs=2)
    path = report(model, grey_pictures(), tmp_path / "gray.html", radius=3.0)
    with Opened(browser, path, **DESKTOP) as page:
        # A peak whose ring is not cut off by the border.
        f, place = page.evaluate("""() => {
            const inside = (v) => v > 0.2 && v < 0.8;
            for (let f = 0; f < 16; f++)
                for (const [place, i] of networks[0].strongest(f).entries())
                    if (networks[0].peak(i, f).every(inside)) return [f, place];
        }""")
        found = page.evaluate(
            """async ([f, place]) => {
                const [w, h] = [640, 640 * aspect];
                const c = Object.assign(document.createElement("canvas"), { width: w, height: h });
                const context = c.getContext("2d");
                const i = networks[0].top[f][place];
                const box = { x: 0, y: 0, width: w, height: h };
                await drawTile(context, box, networks[0], f, i, place);
                const data = context.getImageData(0, 0, w, h).data;
                const x = [], y = [];
                for (let p = 0; p < data.length; p += 4)
                    if (data[p] - data[p + 1] > 150) {
                        x.push((p / 4) % w);
                        y.push(Math.floor(p / 4 / w));
                    }
                const middle = (v) => (Math.min(...v) + Math.max(...v)) / 2;
                return [middle(x) / w, middle(y) / h, networks[0].peak(i, f)];
            }""",
            [f, place],
        )
        assert found[0] == pytest.approx(found[2][0], abs=0.01)
        assert found[1] == pytest.approx(found[2][1], abs=0.01)


def test_names_cannot_inject_markup(browser, tmp_path):
    hostile = pictures(hostile=True)
    path = report(network(), hostile, tmp_path / "h.html", network(False), radius=8.0)
    opened = Opened(browser, path, **DESKTOP)
    with opened as page:
        page.locator("#filter-columns .open").first.click()
        page.locator("#dialog .picture").first.click()
        page.locator("#dialog .effects button").first.click()
        page.click("#close")
        page.locator("#image-grid .picture").first.click()
        drawn(page, "#dialog")
        assert page.title().startswith("What the filters mean")
        assert page.locator("[onerror]").count() == page.locator("img[src=x]").count() == 0
        assert "onerror" in page.locator("#category").inner_text()
        # Nor could a script that got in: the policy lets only the page's own run.
        page.evaluate("""() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
        }""")
        assert page.title() != "owned"
        (complaint,) = opened.complaints
        assert "Content Security Policy" in complaint
        opened.complaints.clear()
        shoot(page, "hostile_names")


def test_a_name_is_shown_everywhere_and_saved_as_the_command_reads_it(browser, path, tmp_path):
    model = network()
    with Opened(browser, path, **DESKTOP) as page:
        box = page.locator("#filter-columns .part", has_text="cat/1")
        box.get_by_label("Name of cat/1").fill(" whiskers ")
        assert box.locator("h4").inner_text() == "whiskers"
        assert box.locator(".key").inner_text() == "cat/1"
        assert "whiskers" in page.inner_text("#effects")
        assert "1 of 24 parts have a name" in page.inner_text("#naming")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save names").click()
        assert download.value.suggested_filename == "names.json"
        saved = tmp_path / "names.json"
        download.value.save_as(saved)
        accessible(page)
        shoot(page, "named")
        page.evaluate("show({ kind: 'filter', network: 0, f: 4 })")
        assert "assigned to whiskers" in page.inner_text("#dialog-body")
    assert saved.read_text(encoding="utf-8") == '{\n  "class 1/1": "whiskers"\n}\n'
    assert icnn.name_parts(model, saved) == {"class 1/1": "whiskers"}


def test_a_name_can_be_taken_away(browser, tmp_path):
    model = network()
    icnn.name_parts(model, {"class 1/1": "whiskers"})
    path = report(model, pictures(), tmp_path / "named.html", radius=8.0)
    with Opened(browser, path, **DESKTOP) as page:
        box = page.locator("#filter-columns .part", has_text="whiskers")
        box.get_by_label("Name of cat/1").fill("")
        assert page.evaluate("namesOf(networks[0])") == {"class 1/1": ""}
        assert page.evaluate("partTitle(networks[0], networks[0].groups.of[4])") == "cat/1"
        page.evaluate("unsaved = false")


def test_addresses_lead_to_a_filter_and_to_an_image(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        page.evaluate("location.hash = '#filter-1-7'")
        page.wait_for_selector("#dialog[open]")
        assert page.inner_text("#dialog-title").startswith("Filter 7")
        assert "ordinary" in page.inner_text("#dialog .facts >> nth=0")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("location.hash") == "#filter-1-8"
        page.click("#close")
        # The browser tells of the closing a moment later.
        page.wait_for_function("location.hash === ''")
        # Neither others' addresses nor those of what is not there open anything.
        for address in ("#filter-0-30", "#filter-2-0", "#image-30", "#image-1-1", "#figures"):
            page.evaluate(f"location.hash = '{address}'")
            page.wait_for_timeout(50)
            assert not page.locator("#dialog").is_visible()
    opened = Opened(browser, path, fragment="#image-3", **DESKTOP)
    with opened as page:
        assert page.inner_text("#dialog-title").startswith("The decision")
        assert page.inner_text("#dialog-body").startswith(page.evaluate("content.files[3]"))


def test_images_with_warnings_come_first_and_those_trained_on_are_marked(browser, path):
    with Opened(browser, path, **PHONE) as page:
        page.evaluate("""() => {
            networks.forEach((n) => n.decisions.forEach((d) => { d.warnings = []; }));
            networks[1].decisions[9].warnings = ["Most of the score is <b>outside</b>."];
            networks[0].trained.add(4);
            byId("image-show").replaceChildren();
            prepareImages();
        }""")
        first = page.locator("#image-grid .picture").first
        assert first.get_attribute("data-image") == "9"
        assert "ordinary: Most of the score is <b>outside</b>." in first.inner_text()
        marked = page.locator("#image-grid .picture", has_text="trained on")
        assert marked.count() == 1 and marked.get_attribute("data-image") == "4"
        accessible(page)
        page.select_option("#image-show", "warning")
        assert page.locator("#image-grid .picture").count() == 1
        first.click()
        assert "Most of the score" in page.inner_text("#dialog-body > .warning")
        page.evaluate("show({ kind: 'image', i: 4 })")
        assert "interpretable saw this image in training" in page.inner_text("#dialog-body")
        accessible(page)


def test_the_list_begins_soon(browser, path):
    for options in (DESKTOP, PHONE):
        with Opened(browser, path, **options) as page:
            top = page.evaluate("byId('filter-columns').getBoundingClientRect().top / innerHeight")
            assert top < 5


def test_the_ring_leaves_a_coarse_map_readable(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        assert page.evaluate("networks.map((n) => ring({ ...n, radius: 0.9 }))") == [0.14, 0.14]
        assert page.evaluate("networks[0].radius < 0.14 || ring(networks[0]) === 0.14")


def test_the_mark_of_a_decision_lies_on_the_annotated_part(browser, tmp_path):
    """Filters that fire 16 pixels beside a white square, which they follow all the same."""
    model, data = beside_the_square(16)
    path = report(model, data, tmp_path / "beside.html", radius=3.0)
    with Opened(browser, path, **DESKTOP) as page:
        found = page.evaluate("""() => content.labels.map((_, i) => {
            const p = decision(networks[0], i).parts[0];
            return [[p.x, p.y], followedPlace(networks[0], p, i)];
        })""")
        said = page.evaluate("followedBy(networks[0], 0)")
        assert said == "fires to the right of the square, 25% of the image away, and moves with it"
        for (peak, mark), place in zip(found, data.landmarks[:, 0], strict=True):
            share = (place + 0.5) / (SIZE[1], SIZE[0])
            assert (peak[0] - share[0]) * SIZE[1] == pytest.approx(16, abs=0.1)
            assert mark == pytest.approx(share, abs=0.01)
        # An image of something else has no such part.
        page.evaluate("content.labels[3] = 0")
        (part,) = page.evaluate("decision(networks[0], 3).parts.slice(0, 1)")
        assert page.evaluate("(p) => followedPlace(networks[0], p, 3)", part) is None
        page.locator("#image-grid .picture").first.click()
        drawn(page, "#dialog")
        assert "Lines lead to the annotated part" in page.inner_text("#dialog-body")
        shoot(page, "beside")


def test_light_and_dark_by_button(browser, path):
    with Opened(browser, path, **DESKTOP) as page:
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light == "rgb(255, 255, 255)" and dark != light
        assert page.inner_text("#theme") == "Light"


def test_one_network_alone(browser, tmp_path):
    path = report(network(), pictures(), tmp_path / "one.html", radius=8.0, title="Alone")
    with Opened(browser, path, **PHONE) as page:
        drawn(page, "#parts")
        assert page.locator("#filter-columns .column").count() == 1
        assert not page.locator("#switch").is_visible()
        accessible(page)
        shoot(page, "phone_one_network")


def test_on_a_phone_one_network_at_a_time(browser, path):
    with Opened(browser, path, **PHONE) as page:
        columns = page.locator("#filter-columns .column")
        assert columns.nth(0).is_visible() and not columns.nth(1).is_visible()
        page.locator("#switch").get_by_text("ordinary", exact=True).click()
        assert columns.nth(1).is_visible() and not columns.nth(0).is_visible()


def test_size_of_the_fixture():
    # What the tests above count on.
    assert SIZE == (48, 64) and len(pictures()) == 30
