using System.Collections.Immutable;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>One thing that a fleet's owner may set, and other values than the one it has.</summary>
/// <param name="Model">Whose it is; null where it is of all models, or of the planner.</param>
/// <param name="Name">As files name it: "minReplicas".</param>
/// <param name="Was">The value it has.</param>
/// <param name="Tries">What it may be set to instead, at least one.</param>
public sealed record FleetSetting(string? Model, string Name, string Was, ImmutableArray<SettingValue> Tries);

/// <summary>A value that a setting may be given.</summary>
/// <param name="Text">"4", "10min", "97%".</param>
/// <param name="IsMore">Whether it asks for more than the one before: pointless where nothing is missing.</param>
/// <param name="Apply">The same world with it.</param>
/// <param name="Written">The fields of a file that say it.</param>
public sealed record SettingValue(string Text, bool IsMore, Func<World, World> Apply, ImmutableArray<WrittenField> Written);

/// <summary>A field of a scenario or fleet file.</summary>
/// <param name="Model">The model it is of; null for the planner's.</param>
/// <param name="Field">"minReplicas", "slo.attainment".</param>
/// <param name="Text">Its value; null to leave it out.</param>
public sealed record WrittenField(string? Model, string Field, string? Text);

/// <summary>Models whose requests are to be answered in time, all copies of one together.</summary>
/// <param name="Name">As the file names it.</param>
/// <param name="Models">The copies.</param>
/// <param name="Share">Of their requests, at the least.</param>
public sealed record WantedShare(string Name, ImmutableHashSet<ModelId> Models, double Share);

/// <summary>What each of several settings is set to: 0 as it is, else the number of one of its tries from 1.</summary>
internal sealed class Choices(ImmutableArray<int> of) : IEquatable<Choices>
{
    public static Choices AsItIs(int settings) => new([.. Enumerable.Repeat(0, settings)]);

    public int this[int setting] => of[setting];

    /// <summary>Those that are set to something else than they are.</summary>
    public IEnumerable<int> Changed => Enumerable.Range(0, of.Length).Where(i => of[i] != 0);

    public Choices With(int setting, int choice) => new(of.SetItem(setting, choice));

    public World In(World world, ImmutableArray<FleetSetting> settings) =>
        Changed.Aggregate(world, (set, i) => settings[i].Tries[of[i] - 1].Apply(set));

    public bool Equals(Choices? other) => other is not null && of.SequenceEqual(other.Of);

    public override bool Equals(object? obj) => Equals(obj as Choices);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var choice in of) hash.Add(choice);
        return hash.ToHashCode();
    }

    private ImmutableArray<int> Of => of;
}
