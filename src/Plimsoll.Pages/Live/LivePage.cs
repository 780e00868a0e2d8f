using System.Security.Cryptography;
using System.Text;

namespace Plimsoll.Pages.Live;

/// <summary>
/// The live page: one file with its styles and script, the same for every fleet. What it shows it asks of <see cref="StatePath"/>
/// and <see cref="EventsPath"/> beside it, and puts into the page as text.
/// </summary>
public static class LivePage
{
    /// <summary>Where a <see cref="LiveState"/> is; relative, as the page is served at the root or behind a prefix.</summary>
    public const string StatePath = "fleet";

    /// <summary>Where each tick's <see cref="LiveState"/> comes as a server-sent event.</summary>
    public const string EventsPath = "fleet/events";

    private static readonly string Css = (PageStyle.Css.Text + "\n" + Resource("live.css")).ReplaceLineEndings("\n");

    private static readonly string Script = Resource("live.js").ReplaceLineEndings("\n");

    /// <summary>
    /// Nothing is fetched but from where the page came from, nobody's script or style but these runs, and no other page may
    /// frame it.
    /// </summary>
    public static readonly string Policy =
        $"default-src 'none'; script-src '{Hash(Script)}'; style-src '{Hash(Css)}'; connect-src 'self'; img-src data:; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>UTF-8.</summary>
    public static readonly ReadOnlyMemory<byte> Html = Encoding.UTF8.GetBytes($$"""
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"><title>plimsoll</title><style>{{Css}}</style></head>
        <body data-state="{{StatePath}}" data-events="{{EventsPath}}"><a class="skip" href="#models">To the models</a><main>
        <header><h1 id="fleet">plimsoll</h1><p class="soft" id="when">connecting</p></header>
        <p class="unseen" id="link" role="status"></p>
        <p id="trouble" role="alert" hidden></p>
        <noscript><p>This page shows a fleet as it changes and needs its own script for that. <a href="{{StatePath}}">The same as JSON</a>, or <code>plimsoll status</code> in a terminal, do without.</p></noscript>
        <div id="seen" hidden>
        <ul class="facts" id="totals"></ul>
        <div class="pair"><section class="half" aria-labelledby="h-memory"><h2 id="h-memory">Memory against budget</h2><div id="memory"></div></section>
        <section class="half" id="time" aria-labelledby="h-time"><h2 id="h-time">The last ten minutes</h2><div id="plot"></div></section></div>
        <details id="by-node" hidden><summary>By node</summary><div id="nodes" class="nodes"></div></details>
        <section aria-labelledby="models"><h2 id="models" tabindex="-1">Models</h2>
        <form id="ask" class="ask" role="search"><label>Search <input id="q" type="search" maxlength="100" autocomplete="off" spellcheck="false"></label>
        <label>Sort by <select id="sort"><option value="activity">activity</option><option value="name">name</option><option value="weight">weight</option><option value="demand">demand</option><option value="forecast">forecast</option><option value="memory">memory</option><option value="replicas">replicas</option></select></label>
        <span class="turn"><button type="button" id="back">Back</button> <span id="page" role="status"></span> <button type="button" id="on">On</button></span></form>
        <p class="soft keys">Keys: <kbd>/</kbd> to search, <kbd>↑</kbd> <kbd>↓</kbd> from model to model, <kbd>Enter</kbd> for all about one, <kbd>Esc</kbd> to close it.</p>
        <table class="models"><thead><tr><th scope="col">model</th><th scope="col">weight</th><th scope="col">tier</th><th scope="col">replicas</th><th scope="col">demand</th><th scope="col">planned for</th><th scope="col">memory</th><th scope="col">why it is so</th></tr></thead><tbody id="rows"></tbody></table></section>
        <section aria-labelledby="h-done"><h2 id="h-done">Decisions</h2><table class="small steps"><thead><tr><th scope="col">time</th><th scope="col">what</th><th scope="col">why</th></tr></thead><tbody id="done"></tbody></table><p class="soft" id="none">Nothing was decided yet.</p></section>
        </div></main><script>{{Script}}</script></body></html>
        """.ReplaceLineEndings("\n"));

    private static string Hash(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Resource(string name)
    {
        using var reader = new StreamReader(typeof(LivePage).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
