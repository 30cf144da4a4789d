"""How a report looks: one style sheet inside the page; light, dark, phone and paper.

The colours of pictures, c1 to c8, differ in lightness too, and stand 3 : 1 or more against the
page. `bad` and `good` always come with a word or a sign as well.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

STYLE = """
:root{color-scheme:light dark;--bg:#fbfaf7;--card:#fff;--ink:#1d2a24;--soft:#55625b;--line:#dfe3dc;
--good:#1f7a52;--bad:#b3261e;--warn:#8a5a00;--good-bg:#e9f5ee;--bad-bg:#fdecea;--warn-bg:#fdf3dc;
--link:#1f5f9e;--c1:#1f7a52;--c2:#2563a8;--c3:#c0620b;--c4:#7b4fa3;--c5:#b83268;--c6:#0e8591;
--c7:#8a7600;--c8:#6b7470;--track:#e9ece6}
@media(prefers-color-scheme:dark){:root{--bg:#101516;--card:#181f20;--ink:#eef3ef;--soft:#a9b5ae;
--line:#2d3739;--good:#58c894;--bad:#ff8a80;--warn:#f0bd5c;--good-bg:#14281f;--bad-bg:#331a18;
--warn-bg:#2e2613;--link:#86bdf2;--c1:#4bbf8a;--c2:#6ea8e6;--c3:#f0a35c;--c4:#b99ae0;--c5:#f083ac;
--c6:#4fc3cc;--c7:#cdb84a;--c8:#a3b0a9;--track:#273032}}
*{box-sizing:border-box}
html{font:16px/1.6 system-ui,"Noto Sans SC","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",
sans-serif;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink)}
.skip{position:absolute;left:-999px}.skip:focus{left:12px;top:8px;background:var(--card);padding:8px}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
header,main,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:32px}
.over{margin:0;color:var(--soft);font-size:.9rem}
h1{font-size:1.7rem;line-height:1.3;margin:.2em 0 .6em;overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.35;margin:2.4em 0 .7em;padding-top:.5em;
border-top:1px solid var(--line)}
h3{font-size:1rem;margin:0 0 .3em}
p,ul,ol{margin:.4em 0 .8em}
li{margin:.25em 0}
.card ul{padding-left:1.3em}
.verdict{display:flex;gap:16px;align-items:flex-start;border-radius:14px;padding:20px 22px;
border:1px solid var(--line);border-left:8px solid var(--tone);background:var(--tone-bg)}
.verdict p{margin:0}
.verdict .say{font-size:1.3rem;line-height:1.4;font-weight:650}
.verdict .more{color:var(--soft);margin-top:4px}
.sign{flex:none;width:40px;height:40px;color:var(--tone)}
.is-good{--tone:var(--good);--tone-bg:var(--good-bg)}
.is-bad{--tone:var(--bad);--tone-bg:var(--bad-bg)}
.is-warn{--tone:var(--warn);--tone-bg:var(--warn-bg)}
.notes{list-style:none;padding:0;margin:14px 0 0;display:grid;gap:8px}
.notes li{margin:0;border-radius:10px;border:1px solid var(--line);padding:10px 14px;
border-left:6px solid var(--tone);background:var(--tone-bg)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:18px 0;
padding:0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 14px}
.tiles dt{color:var(--soft);font-size:.85rem;line-height:1.35}
.tiles dd{margin:2px 0 0;font-size:1.4rem;font-weight:650;font-variant-numeric:tabular-nums}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:14px 0 0}
dl.facts{display:grid;grid-template-columns:minmax(9em,max-content) 1fr;gap:8px 20px;margin:0}
dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;overflow-wrap:anywhere;min-width:0}
code{font:0.88em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
pre.cmd{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px;
white-space:pre-wrap;overflow-wrap:anywhere;margin:.5em 0}
.id{color:var(--soft);font-size:.85em;overflow-wrap:anywhere}
.pair{display:grid;gap:18px}
.figures figure{break-inside:avoid;margin-bottom:18px}
@media(min-width:860px){.pair{grid-template-columns:1fr 1fr}.figures{columns:2;column-gap:18px}}
.card,figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:14px;
padding:18px;min-width:0}
figcaption{margin-bottom:12px}figcaption p{margin:0;color:var(--soft);font-size:.9rem}
.none{color:var(--soft);border:1px dashed var(--line);border-radius:10px;padding:18px;margin:0;
text-align:center}
.chart{display:block;width:100%;height:auto;max-width:600px}
.chart text{font-size:24px;fill:var(--ink)}.chart .s{fill:var(--soft);font-size:22px}
.chart .n{font-variant-numeric:tabular-nums;font-weight:600}
.chart .e{text-anchor:end}.chart .m{text-anchor:middle}
.chart .g{stroke:var(--line);stroke-width:2}.chart .w{fill:var(--track)}
.chart .o{stroke:var(--card);stroke-width:2}
.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}
.c4{fill:var(--c4)}.c5{fill:var(--c5)}.c6{fill:var(--c6)}
.c7{fill:var(--c7)}.c8{fill:var(--c8)}.bad{fill:var(--bad)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:10px 0 0;
font-size:.85rem}
.legend li{margin:0;overflow-wrap:anywhere}
.legend svg{width:12px;height:12px;margin-right:6px;vertical-align:-1px}
details{margin-top:12px;font-size:.9rem}
summary{cursor:pointer;color:var(--link);padding:4px 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:7px 12px 7px 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:600;white-space:nowrap}
tbody th{font-weight:400}thead th.num:first-child{width:1%}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.mark{color:var(--bad);font-weight:600}
footer{padding-top:28px;padding-bottom:40px;color:var(--soft);font-size:.85rem}
@media(max-width:640px){header,main,footer{padding-left:14px;padding-right:14px}
dl.facts{grid-template-columns:1fr;gap:2px}dl.facts dd{margin-bottom:10px}h1{font-size:1.4rem}
.verdict{padding:16px;gap:12px}.verdict .say{font-size:1.12rem}.sign{width:32px;height:32px}
.tiles{grid-template-columns:1fr 1fr}.chart .l,.chart .n{font-size:28px}
.card,figure{padding:14px}th,td{padding-right:8px}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;
--good:#1f7a52;--bad:#b3261e;--warn:#8a5a00;--good-bg:#fff;--bad-bg:#fff;--warn-bg:#fff;
--link:#000;--c1:#1f7a52;--c2:#2563a8;--c3:#c0620b;--c4:#7b4fa3;--c5:#b83268;--c6:#0e8591;
--c7:#8a7600;--c8:#6b7470;--track:#e9ece6}
@page{size:A4;margin:16mm 14mm}
html{font-size:10.5pt}header,main,footer{max-width:none;padding:0}nav,.skip{display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
h2{break-after:avoid;margin-top:1.6em}h3,figcaption{break-after:avoid}
figure,.verdict,.pair .card,.tiles,.notes li,tr,#verify{break-inside:avoid}
.figures{columns:2;column-gap:4mm}.figures figure{margin-bottom:4mm}
.pair{grid-template-columns:1fr 1fr;gap:4mm}
details{display:none}thead{display:table-header-group}.scroll{overflow:visible}}
"""


def style_source() -> str:
    """Return the one source that the page's policy allows: the hash of this style sheet."""
    return f"'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode('ascii')}'"
