using Plimsoll.Pages;

namespace Plimsoll.Simulation.Reports;

/// <summary>The report's own styles and script.</summary>
internal static class ReportStyle
{
    public static readonly Markup Css = new(PageStyle.Css.Text + "\n" + """
        .about{font-size:1.1rem}
        .scatter{max-width:620px}
        .scatter text{font-size:12px}
        .scatter .tick{font-size:11px}
        .bound{stroke:var(--fg);stroke-dasharray:1.5 3;fill:none;opacity:.7}
        .rival{fill:none;stroke-width:1.6;display:none}
        .rival.lead{stroke-width:.8}
        .end{display:none}
        .d1{stroke-dasharray:6 4}
        .d2{stroke-dasharray:1.5 3}
        .p{stroke:var(--bg);stroke-width:1}
        .curve{fill:none;stroke-width:1.4;stroke-linejoin:round;opacity:.75}
        .name{font-weight:600;paint-order:stroke;stroke:var(--bg);stroke-width:3px}
        .toggles{border:0;margin:0 0 14px;padding:8px 0;position:sticky;top:0;background:var(--bg);z-index:1}
        .toggles legend{float:left;padding:0 12px 0 0;color:var(--soft)}
        .toggles label{display:inline-block;padding:2px 14px 2px 0;white-space:nowrap;cursor:pointer}
        .toggles input{margin:0 5px 0 0;vertical-align:-1px}
        .toggles svg{display:inline-block;width:24px;height:8px;margin:0 4px 2px 0;vertical-align:middle}
        .toggles .rival{display:inline;stroke-width:2.4}
        @media (max-width:640px){
        .toggles{position:static}
        }
        """.ReplaceLineEndings("\n") + "\n" + Colours());

    /// <summary>Shows one model's steps. Without the signs that XML would want escaped.</summary>
    public static readonly Markup Script = new("""
        var pick = document.getElementById('pick');
        if (pick) pick.addEventListener('change', function () {
          document.querySelectorAll('.steps tbody tr').forEach(function (row) {
            row.hidden = pick.value === '' ? false : row.dataset.m !== pick.value;
          });
        });
        """.ReplaceLineEndings("\n"));

    /// <summary>A rival's lines are shown where its box is ticked.</summary>
    public static Markup Toggle(int rival) => new($".wrap:has(#r{rival}:checked) .r{rival}{{display:inline}}");

    private static string Colours() => string.Join('\n', Enumerable.Range(0, 7).Select(i =>
        $"svg .t{i}{{fill:var(--c{i})}}.p.c{i}{{fill:var(--c{i})}}.rival.c{i},.curve.c{i}{{stroke:var(--c{i})}}"));
}
