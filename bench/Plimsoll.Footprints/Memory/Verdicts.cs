using System.Text;

namespace Plimsoll.Footprints.Memory;

/// <summary>Refusals of what ran, and passes of what failed, by name.</summary>
internal sealed class Verdicts
{
    private readonly List<string> _refused = [];
    private readonly List<string> _passed = [];
    private int _ran;
    private int _failed;

    public void Add(string name, bool ran, bool fits)
    {
        if (ran)
        {
            _ran++;
            if (!fits) _refused.Add(name);
        }
        else
        {
            _failed++;
            if (fits) _passed.Add(name);
        }
    }

    public string Text() => new StringBuilder()
        .AppendLine("### Verdicts").AppendLine()
        .AppendLine($"- False refusals: {_refused.Count} of {_ran} that ran{Names(_refused)}.")
        .AppendLine($"- False fits: {_passed.Count} of {_failed} that failed{Names(_passed)}.")
        .ToString();

    private static string Names(List<string> names) => names.Count == 0 ? "" : ": " + string.Join("; ", names);
}
