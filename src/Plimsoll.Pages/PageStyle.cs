namespace Plimsoll.Pages;

/// <summary>The styles that all pages share; they have nothing to fetch. A page's own come after them.</summary>
internal static class PageStyle
{
    public static readonly Markup Css = new("""
        :root{color-scheme:light dark;--bg:#fff;--fg:#1c2126;--soft:#59636e;--line:#d9dee3;--grid:#e8ebee;--ready:#a9c9ea;--loading:#f0c35a;
        --c0:#1f62a8;--c1:#b45600;--c2:#00735c;--c3:#96417a;--c4:#6f5d00;--c5:#b0362a;--c6:#5a6570;
        --s0:#bcd5ee;--s1:#dfe4e9;--s2:#b3dad2;--s3:#ecdcb6}
        @media (prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e4e8ec;--soft:#a3adb8;--line:#39424b;--grid:#262d34;--ready:#2d5785;--loading:#a87a1c;
        --c0:#7db8f2;--c1:#f0a35e;--c2:#4fcbac;--c3:#e39ac8;--c4:#d6c25c;--c5:#ff9080;--c6:#b4bec8;
        --s0:#2c5078;--s1:#414b55;--s2:#245e54;--s3:#63501f}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
        main{max-width:1280px;margin:0 auto;padding:20px 16px 60px}
        h1{font-size:1.5rem;margin:.2em 0;overflow-wrap:anywhere}
        h2{font-size:1.15rem;margin:2.2em 0 .5em}
        h3{font-size:1rem;margin:0 0 .3em;overflow-wrap:anywhere}
        h3 small,.soft{color:var(--soft);font-weight:normal}
        h3 small{font-size:12px}
        p{margin:.4em 0;max-width:75ch;overflow-wrap:anywhere}
        .wide{overflow-x:auto}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums}
        th,td{padding:3px 0 3px 14px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
        th{font-weight:normal;color:var(--soft);vertical-align:bottom}
        th:first-child,td:first-child{text-align:left;padding-left:0}
        tbody th{color:inherit}
        .small{font-size:13px}
        .small th:not(:first-child),.small td:not(:first-child){padding-left:9px}
        .pair{display:flex;flex-wrap:wrap;gap:10px 48px;align-items:flex-start}
        .pair svg{flex:1 1 340px;margin:0}
        .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,385px),1fr));gap:30px 36px}
        .cards table{width:100%;font-size:12.5px}
        svg{display:block;width:100%;height:auto;margin-top:6px}
        svg text{font:10.5px system-ui,sans-serif;fill:var(--fg)}
        svg .tick,svg .axis{fill:var(--soft)}
        .grid{stroke:var(--grid);fill:none}
        .rate{fill:none;stroke:var(--fg);stroke-width:1.2;stroke-linejoin:round}
        .ready{fill:var(--ready)}
        .loading{fill:var(--loading)}
        svg .fready{fill:var(--ready)}
        svg .floading{fill:var(--loading)}
        .bars{max-width:900px}
        .bar{display:grid;grid-template-columns:9rem 1fr 7.5rem;gap:0 10px;align-items:center;margin:6px 0}
        .bar .cost{text-align:right;font-variant-numeric:tabular-nums}
        .stack{display:flex;height:26px}
        .stack span{display:block;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;font-size:12px;line-height:26px;padding:0;border-right:1px solid var(--bg)}
        .stack .l{padding:0 5px}
        .s0{background:var(--s0)}.s1{background:var(--s1)}.s2{background:var(--s2)}.s3{background:var(--s3)}
        summary{cursor:pointer;margin:.8em 0}
        .steps{width:100%}
        .steps th,.steps td{text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere}
        .steps td:first-child{white-space:nowrap}
        .steps td:nth-child(2){min-width:9em}
        .steps td:nth-child(3){min-width:12em}
        :focus-visible{outline:2px solid var(--c0);outline-offset:2px}
        .mark,.lead{stroke:var(--soft);fill:none;stroke-width:.7}
        .pick{margin:.3em 0 .8em}
        select{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--soft);border-radius:3px;padding:3px;max-width:100%}
        @media (max-width:640px){
        main{padding:12px 12px 40px}
        .wide table{font-size:12.5px}
        .wide .small{font-size:12px}
        th:not(:first-child),td:not(:first-child){padding-left:6px}
        .small th:not(:first-child),.small td:not(:first-child){padding-left:7px}
        .bar{grid-template-columns:1fr auto}
        .bar .stack{grid-row:2;grid-column:1/3}
        .steps thead{display:none}
        .steps tr{display:block;padding:6px 0;border-bottom:1px solid var(--grid)}
        .steps tr[hidden]{display:none}
        .steps td{display:inline;border:0;padding:0 8px 0 0}
        .steps td:last-child{display:block;color:var(--soft)}
        }
        """.ReplaceLineEndings("\n"));
}
