using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>What users set of a rival; null for its default. docs/rivals.md says what each means to whom.</summary>
public sealed record RivalKnobs
{
    public static RivalKnobs Defaults { get; } = new();

    /// <summary>Its target: as a share of what a replica works on at once, of the objective, or its own threshold.</summary>
    public double? Target { get; init; }

    /// <summary>Share of the target within which nothing changes.</summary>
    public double? Tolerance { get; init; }

    /// <summary>For how long a wish for more must stand.</summary>
    public TimeSpan? UpWindow { get; init; }

    /// <summary>For how long a wish for fewer must stand.</summary>
    public TimeSpan? DownWindow { get; init; }

    /// <summary>After how long without requests none is kept, for rivals that can.</summary>
    public TimeSpan? ZeroAfter { get; init; }

    /// <summary>Replicas at the least; where the model itself says more, that holds.</summary>
    public int? MinReplicas { get; init; }

    /// <summary>"target 0.6, down window 1 min"; "defaults" where all are.</summary>
    public override string ToString()
    {
        List<string> said = [];
        if (Target is { } target) said.Add(FormattableString.Invariant($"target {target:0.##}"));
        if (MinReplicas is { } least) said.Add(FormattableString.Invariant($"min {least}"));
        if (Tolerance is { } tolerance) said.Add(FormattableString.Invariant($"tolerance {tolerance:0.##}"));
        if (UpWindow is { } up) said.Add($"up window {Durations.Show(up)}");
        if (DownWindow is { } down) said.Add($"down window {Durations.Show(down)}");
        if (ZeroAfter is { } zero) said.Add($"to zero after {Durations.Show(zero)}");
        return said.Count == 0 ? "defaults" : string.Join(", ", said);
    }
}

/// <summary>Classes of weight that are set apart: users give a model of 1 GB and one of 100 GB different objects.</summary>
public enum WeightClass
{
    /// <summary>Below 10 GB.</summary>
    Light,

    /// <summary>Below 60 GB.</summary>
    Middle,

    Heavy,
}

/// <summary>A rival's knobs by class of weight.</summary>
public sealed record RivalTuning(RivalKnobs Light, RivalKnobs Middle, RivalKnobs Heavy)
{
    public static RivalTuning Defaults { get; } = new(RivalKnobs.Defaults, RivalKnobs.Defaults, RivalKnobs.Defaults);

    public static WeightClass ClassOf(Bytes weights) =>
        weights.Value < 10_000_000_000 ? WeightClass.Light : weights.Value < 60_000_000_000 ? WeightClass.Middle : WeightClass.Heavy;

    public static RivalTuning Same(RivalKnobs knobs) => new(knobs, knobs, knobs);

    public RivalKnobs this[WeightClass of] => of switch { WeightClass.Light => Light, WeightClass.Middle => Middle, _ => Heavy };

    public RivalTuning With(WeightClass of, RivalKnobs knobs) => of switch
    {
        WeightClass.Light => this with { Light = knobs },
        WeightClass.Middle => this with { Middle = knobs },
        _ => this with { Heavy = knobs },
    };

    /// <summary>What was chosen, by class where classes differ.</summary>
    /// <param name="there">Classes that the fleet has.</param>
    public string Show(ImmutableArray<WeightClass> there)
    {
        var distinct = there.Select(one => this[one]).Distinct().ToList();
        return distinct.Count == 1 ? distinct[0].ToString() : string.Join("; ", there.Select(one => $"{one.ToString().ToLowerInvariant()}: {this[one]}"));
    }
}
