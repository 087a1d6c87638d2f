"""The page's style sheet: dark on light, tables aligned, nothing wider than the window."""

STYLE = """
:root{--ink:#1c2128;--soft:#59636e;--line:#d8dee4;--paper:#fff;--wash:#f6f8fa;--kept:#1a7f4b;--read:#b6c2cf;
--hit:#fff3bf;--mark:#ffd43b}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:24px 20px 80px}
h1{font-size:28px;margin:0 0 12px}h2{font-size:20px;margin:40px 0 8px;border-bottom:1px solid var(--line)}
h3{font-size:15px;margin:18px 0 6px}p{margin:6px 0 10px}
a{color:#0a58ca}code,pre,.name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:12px 0 20px}
.tiles div{flex:1 1 150px;background:var(--wash);border:1px solid var(--line);border-radius:6px;padding:10px 14px;
color:var(--soft)}
.tiles b{display:block;font-size:24px;color:var(--ink)}
.bar{display:flex;height:26px;border-radius:4px;overflow:hidden}.bar i{min-width:1px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft)}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px}
.k{background:var(--kept)}.d0{background:#b5483a}.d1{background:#d98032}.d2{background:#c9a227}.d3{background:#7b5ea7}
.d4{background:#3f6fb5}.d5{background:#4aa3a2}.d6{background:#a3566f}.d7{background:#6b7d4f}.other{background:#9aa4ae}
i.s0{background:var(--read)}i.s1{background:var(--kept)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
table.narrow{width:auto}
th,td{padding:4px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child{text-align:left;font-weight:normal;white-space:normal;overflow-wrap:break-word;width:40%;
min-width:180px}.narrow th:first-child{width:auto}
thead th,thead th:first-child{font-weight:600;color:var(--soft);vertical-align:bottom}
tr.rule th,tr.rule td{font-weight:600;background:var(--wash)}
tr.reason th,tr.reason td{color:var(--soft)}tr.reason th:first-child{padding-left:28px}
.share{display:inline-block;width:80px;height:9px;margin-right:8px;background:#eaeef2;vertical-align:middle}
.share i{display:block;height:100%;background:#6e8bb0}
.columns{display:flex;flex-wrap:wrap;gap:0 48px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:18px 24px}
figure{margin:0}figcaption{font-size:13px}figcaption span{color:var(--soft)}
svg{width:100%;height:auto;display:block}
details{border-top:1px solid var(--line);padding:8px 0}summary{cursor:pointer;font-weight:600;font-size:16px}
.card{border:1px solid var(--line);border-radius:6px;margin:8px 0 14px;overflow:hidden}
.card>pre{border-top:1px solid var(--line)}
.name{margin:0;padding:6px 10px;background:var(--wash);font-size:13px;overflow-wrap:anywhere}
.name span{color:var(--soft);font-family:system-ui,sans-serif}
.none{padding:6px 10px;color:var(--soft)}
pre{margin:0;padding:6px 0;font-size:12.5px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;tab-size:4}
.line{display:block;position:relative;padding:0 10px 0 58px;min-height:1.45em}
.line::before{content:attr(data-n);position:absolute;left:0;width:46px;text-align:right;color:#8c959f}
.hit{background:var(--hit)}mark{background:var(--mark);color:inherit}
.two{display:grid;grid-template-columns:1fr 1fr}.two>div{min-width:0}
.two>div+div{border-left:1px solid var(--line)}
@media(max-width:760px){.two{grid-template-columns:1fr}.two>div+div{border-left:0}}
@media print{table{font-size:11px}.share{width:40px}}
"""
