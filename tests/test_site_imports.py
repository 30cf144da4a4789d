"""What the web app's first view waits for: import statements are followed, later ones are not."""

from __future__ import annotations

import re

import pytest

from consent.site import SiteConfig, make_site, read_files
from consent.site_imports import imports_of, reached
from tests.site_files import APP, small_files

CONFIG = SiteConfig("https://vault.example", b"\x07" * 32, "any")
LATER = 'export const later = "later";\n'


@pytest.mark.parametrize(
    "line",
    [
        'import { a } from "./x.js";',
        'import {a} from"./x.js";',
        "import { a } from './x.js';",
        'import {\n  a, b as c,\n  d$,\n} from "./x.js";',
        'import { a, b }\n  from "./x.js";',
        'import * as all from "./x.js";',
        'import words, { b } from "./x.js";',
        'import "./x.js";',
        'export { a } from "./x.js";',
        'export * from "./x.js";',
        'export * as all from "./x.js";',
    ],
)
def test_every_form_of_an_import_statement_is_seen(line: str) -> None:
    assert imports_of(f"// A module.\n{line}\nimport {{ z }} from '../z.js';\n") == (
        "./x.js",
        "../z.js",
    )


@pytest.mark.parametrize(
    "line",
    [
        'const late = () => import("./x.js");',
        'import("./x.js");',
        'import(\n"./x.js");',
        '  import { a } from "./x.js";',
        '// import { a } from "./x.js";',
        '/** @typedef {import("./x.js").X} X */',
        '/** @import { X } from "./x.js" */',
        'export const from = "./x.js";',
        'export default "./x.js";',
        'import { a } from "elsewhere";',
    ],
)
def test_what_is_loaded_later_or_only_spoken_of_is_not(line: str) -> None:
    assert imports_of(f"{line}\n") == ()


def test_modules_are_followed_once_whatever_circle_they_make() -> None:
    modules = {
        "a.js": b'import "./in/b.js";\nimport "./c.js";\nimport "./gone.js";\n',
        "in/b.js": b'import "../a.js";\nimport "./d.js";\nimport "../../c.js";\n',
        "in/d.js": b"",
        "c.js": b'export * from "./in/d.js";\n',
        "e.js": b'import "./a.js";\n',
    }
    assert reached(modules, "a.js") == ("a.js", "in/b.js", "c.js", "in/d.js")
    assert reached(modules, "c.js", "in/d.js") == ("c.js", "in/d.js")
    assert reached(modules, "gone.js") == ()


def test_the_page_names_beforehand_what_its_entry_waits_for_and_maps_every_module() -> None:
    app = APP + 'await import("./later.js");\n'
    site = make_site(small_files(app_js=app, later_js=LATER), CONFIG)
    page, prefix = site.answers["/"].body.decode(), f"/app/{site.version}/"
    named = re.findall(r'<link rel="modulepreload" href="([^"]*)"', page)
    assert named == [prefix + "app.js", prefix + "lib/word.js"]
    assert f'"{prefix}later.js":"sha256-' in page
    assert "/app/later.js" in dict(site.listed)


def test_the_page_of_the_package_names_less_than_half_of_its_modules() -> None:
    files = read_files()
    modules = [name for name in files if name.endswith(".js") and name != "sw.js"]
    first = reached(files, "app.js")
    assert "screens/start.js" in first
    assert "holder.js" not in first
    assert len(first) * 2 < len(modules)
