using System.Collections.Immutable;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>
/// Looks for the few settings of a fleet under Plimsoll that are worth changing: first the cheapest on some seeds under which what is
/// wanted holds, one setting at a time (<see cref="KnobWalk{TSettings,TCame}"/>); then every change that does nothing for it there is taken back; and what is left is
/// judged on other seeds, each change alone and all together.
/// </summary>
/// <param name="wanted">What is to hold, one for each model or copies of one, all models among them.</param>
/// <param name="settings">Groups of settings, those tried first first; within a group those of the dearest models are.</param>
/// <param name="unit">What is paid for.</param>
/// <param name="ran">Called after runs, with how many.</param>
/// <param name="cancellationToken">Breaks it off.</param>
public sealed class FleetSearch(ImmutableArray<WantedShare> wanted, ImmutableArray<ImmutableArray<FleetSetting>> settings, CostUnit unit, Action<int>? ran = null, CancellationToken cancellationToken = default)
{
    /// <summary>Settings tried unless told otherwise.</summary>
    public const int CandidatesUsual = 60;

    private readonly ImmutableArray<FleetSetting> _settings = [.. settings.SelectMany(group => group)];

    private int _runs;

    /// <param name="searched">Traffic to search on, with its seeds.</param>
    /// <param name="judged">Traffic to judge by, with its seeds, two at the least.</param>
    /// <param name="candidatesMax">Settings tried at the most in the search.</param>
    public FleetTuning Tune(ImmutableArray<(int Seed, World World)> searched, ImmutableArray<(int Seed, World World)> judged, int candidatesMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(searched.Length, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(judged.Length, 2);
        var start = Choices.AsItIs(_settings.Length);
        FleetOutcome? asSearched = null;
        var walk = new KnobWalk<Choices, FleetOutcome>(
            choices =>
            {
                var came = Run(searched, choices);
                asSearched ??= came;
                return came;
            },
            (one, other) => one.IsBetterThan(other, asSearched!), candidatesMax, null);
        var best = Pruned(walk.Best(start, Rounds(() => walk[start])), walk, searched);

        var asItIs = Run(judged, start);
        var outcomes = new Dictionary<Choices, FleetOutcome> { [start] = asItIs };
        JudgedChange Judge(Choices choices)
        {
            if (!outcomes.TryGetValue(choices, out var came)) came = outcomes[choices] = Run(judged, choices);
            return new JudgedChange(
                [.. choices.Changed.Select(i => (_settings[i], _settings[i].Tries[choices[i] - 1]))],
                came.SavedOver(asItIs), came.MoreInTimeThan(asItIs), came.Missing, came.IsSurelyBetterThan(asItIs));
        }

        Choices Only(IEnumerable<int> these) => these.Aggregate(start, (set, i) => set.With(i, best[i]));
        List<int> changed = [.. best.Changed];
        var alone = changed.ToDictionary(i => i, i => Judge(Only([i])));
        List<int> sure = [.. changed.Where(i => alone[i].IsSure)];
        // Some changes pay only beside each other: fewer replicas at the least, of which more are then asked at the right time.
        if (sure.Count == 0 && changed.Count > 1 && Judge(best).IsSure) sure = changed;
        var together = sure.Count > 1 ? Judge(Only(sure)) : null;
        var chosen = Chosen(sure, Only, start, outcomes);
        return new FleetTuning
        {
            SearchedOn = [.. searched.Select(one => one.Seed)],
            JudgedOn = [.. judged.Select(one => one.Seed)],
            Candidates = walk.Tried,
            Runs = _runs,
            Unit = unit,
            Cost = SeedSpread.Of(asItIs.Costs),
            Attainment = SeedSpread.Of(asItIs.Attainments),
            Missing = asItIs.Missing,
            Proposed = [.. sure.Select(i => alone[i]).OrderByDescending(one => one.Saved.Mean)],
            Together = together,
            Refuted = [.. changed.Except(sure).Select(i => alone[i])],
            NotWorth = [.. NotWorth(walk, changed, asSearched!)],
            NotTried = [.. _settings.Where((_, i) => !walk.Turns.Any(turn => turn.From[i] != turn.To[i]) && (asSearched!.Missing > 0 || _settings[i].Tries.Any(value => !value.IsMore)))],
            ToWrite = [.. chosen.Changed.SelectMany(i => _settings[i].Tries[chosen[i] - 1].Written)
                .GroupBy(field => (field.Model, field.Field)).Select(same => same.Last())],
        };
    }

    // All at once, unless one alone is better: together they may gain too little to be sure of.
    private static Choices Chosen(List<int> sure, Func<IEnumerable<int>, Choices> only, Choices start, Dictionary<Choices, FleetOutcome> outcomes)
    {
        if (sure.Count == 0) return start;
        var asItIs = outcomes[start];
        var best = only(sure);
        foreach (var one in sure.Select(i => only([i])))
        {
            if (!outcomes[best].HoldsAsWellAs(asItIs) || outcomes[one].IsBetterThan(outcomes[best], asItIs)) best = one;
        }

        return best;
    }

    private IEnumerable<IEnumerable<ImmutableArray<Func<Choices, Choices>>>> Rounds(Func<FleetOutcome> asItIs)
    {
        if (_settings.IsEmpty) yield break;
        var came = asItIs();
        var first = 0;
        List<int> order = [];
        foreach (var group in settings)
        {
            order.AddRange(Enumerable.Range(first, group.Length).OrderByDescending(i => _settings[i].Model is { } model ? came.CostOf[model] : 0));
            first += group.Length;
        }

        while (true)
        {
            yield return order.Select(i => Enumerable.Range(1, _settings[i].Tries.Length)
                .Where(choice => came.Missing > 0 || !_settings[i].Tries[choice - 1].IsMore)
                .Select(choice => (Func<Choices, Choices>)(from => from.With(i, choice))).ToImmutableArray());
        }
    }

    // Without what did something only beside a change that came later.
    private Choices Pruned(Choices best, KnobWalk<Choices, FleetOutcome> walk, ImmutableArray<(int Seed, World World)> searched)
    {
        var asItIs = walk[Choices.AsItIs(_settings.Length)];
        var came = walk[best];
        foreach (var i in best.Changed.Reverse())
        {
            var without = best.With(i, 0);
            var other = without.Changed.Any() ? Run(searched, without) : asItIs;
            if (other.HoldsAsWellAs(asItIs) && !came.IsBetterThan(other, asItIs)) (best, came) = (without, other);
        }

        return best;
    }

    private IEnumerable<TriedSetting> NotWorth(KnobWalk<Choices, FleetOutcome> walk, List<int> changed, FleetOutcome asItIs)
    {
        for (var i = 0; i < _settings.Length; i++)
        {
            if (changed.Contains(i)) continue;
            var turns = walk.Turns.Where(turn => turn.From[i] != turn.To[i] && turn.To[i] != 0).ToList();
            if (turns.Count == 0) continue;
            var best = turns[0];
            foreach (var turn in turns.Skip(1))
                if (walk[turn.To].IsBetterThan(walk[best.To], asItIs) || !walk[best.To].HoldsAsWellAs(asItIs)) best = turn;
            var (from, to) = (walk[best.From], walk[best.To]);
            yield return new TriedSetting(
                _settings[i], [.. turns.Select(turn => turn.To[i]).Distinct().Order().Select(choice => _settings[i].Tries[choice - 1])], _settings[i].Tries[best.To[i] - 1],
                from.Cost > 0 ? 1 - (to.Cost / from.Cost) : 0, to.Attainments.Average() - from.Attainments.Average(), to.HoldsAsWellAs(asItIs));
        }
    }

    private FleetOutcome Run(ImmutableArray<(int Seed, World World)> parts, Choices choices)
    {
        var runs = parts.AsParallel().AsOrdered().WithCancellation(cancellationToken)
            .Select(part => SimulationRun.Plimsoll(choices.In(part.World, _settings), part.Seed, progress: _ => cancellationToken.ThrowIfCancellationRequested()) with { Timeline = null, Decisions = [] }).ToList();
        _runs += runs.Count;
        ran?.Invoke(_runs);
        return FleetOutcome.Of(wanted, runs, unit);
    }
}
