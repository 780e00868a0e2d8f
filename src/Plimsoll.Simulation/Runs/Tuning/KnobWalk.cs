using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>
/// Looks for the best settings one knob at a time: each turn is tried from the best so far and kept where it is better, round by
/// round, until a round finds nothing better or as many settings were tried as may be.
/// </summary>
/// <typeparam name="TSettings">What can be set; equal ones are run once.</typeparam>
/// <typeparam name="TCame">What settings came to.</typeparam>
/// <param name="run">Runs settings.</param>
/// <param name="isBetter">Whether the first is better than the second.</param>
/// <param name="most">Settings that may be tried, those it begins with among them.</param>
/// <param name="progress">Called with the share of those that were tried.</param>
internal sealed class KnobWalk<TSettings, TCame>(Func<TSettings, TCame> run, Func<TCame, TCame, bool> isBetter, int most, Action<double>? progress)
    where TSettings : notnull
{
    private readonly Dictionary<TSettings, TCame> _tried = [];
    private readonly List<(TSettings From, TSettings To)> _turns = [];

    /// <summary>Settings that were run.</summary>
    public int Tried => _tried.Count;

    /// <summary>What was tried from where, in the order it was.</summary>
    public IReadOnlyList<(TSettings From, TSettings To)> Turns => _turns;

    /// <summary>What settings that were tried came to.</summary>
    public TCame this[TSettings settings] => _tried[settings];

    /// <param name="start">Settings to begin with.</param>
    /// <param name="rounds">The knobs of each round in their order, each with its turns.</param>
    public TSettings Best(TSettings start, IEnumerable<IEnumerable<ImmutableArray<Func<TSettings, TSettings>>>> rounds)
    {
        var best = start;
        if (!TryRun(start)) return best;
        foreach (var knobs in rounds)
        {
            var before = best;
            foreach (var knob in knobs)
            {
                var from = best;
                foreach (var turn in knob)
                {
                    var next = turn(from);
                    if (!TryRun(next)) continue;
                    _turns.Add((from, next));
                    if (isBetter(_tried[next], _tried[best])) best = next;
                }
            }

            if (best.Equals(before) || _tried.Count >= most) break;
        }

        return best;
    }

    private bool TryRun(TSettings settings)
    {
        if (_tried.ContainsKey(settings)) return true;
        if (_tried.Count >= most) return false;
        _tried[settings] = run(settings);
        progress?.Invoke(_tried.Count / (double)most);
        return true;
    }
}
