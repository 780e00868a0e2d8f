using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Weighing;
using Plimsoll.Control;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios;

/// <summary>A model that is to be explained.</summary>
/// <param name="Model">Its name.</param>
/// <param name="At">Since the run began; null for its end.</param>
internal sealed record AskedMoment(string Model, TimeSpan? At)
{
    private const int Most = 100;

    /// <param name="texts">MODEL or MODEL@TIME, each.</param>
    /// <exception cref="CommandException">One is not, or there are too many.</exception>
    public static ImmutableArray<AskedMoment> Read(string[]? texts)
    {
        if (texts is not { Length: > 0 }) return [];
        if (texts.Length > Most) throw new CommandException(ExitCode.BadInput, $"--explain is given {texts.Length} times; {Most} are the most");
        return [.. texts.Select(Read)];
    }

    private static AskedMoment Read(string text)
    {
        var at = text.LastIndexOf('@');
        var name = (at < 0 ? text : text[..at]).Trim();
        TimeSpan time = default;
        if (name.Length == 0 || (at >= 0 && text[(at + 1)..].Trim() is not "0" && !TrafficOptions.TryDuration(text[(at + 1)..].Trim(), out time)))
            throw new CommandException(ExitCode.BadInput, $"--explain is \"{Show.Text(text)}\"; a model's name, or with a time of the run such as {(name.Length == 0 ? "llama" : Show.Text(name, 40))}@50min, would do");
        return new AskedMoment(name, at < 0 ? null : time);
    }
}

/// <summary>Looks at a run as it goes and keeps the turns that are to be explained: the last one at each moment, or before it.</summary>
/// <param name="world">The run's.</param>
/// <param name="asked">What is to be explained.</param>
internal sealed class ExplainedMoments(World world, ImmutableArray<AskedMoment> asked)
{
    private const int LastMax = 8;

    private readonly Tick?[] _kept = new Tick?[asked.Length];

    /// <summary>That a model or a moment is none of the run's.</summary>
    /// <exception cref="CommandException">It is none.</exception>
    public static void Check(World world, ImmutableArray<AskedMoment> asked)
    {
        foreach (var one in asked)
        {
            if (world.Spec.Find(ModelId.Of(one.Model)) is null) throw new CommandException(ExitCode.BadInput, $"--explain: {ExplainCommand.Unknown(one.Model, world.Spec)}");
            if (one.At > world.Length) throw new CommandException(ExitCode.BadInput, $"--explain: {Show.Text(one.Model)}@{Durations.Show(one.At.Value)} is after the run, which lasts {Durations.Show(world.Length)}");
        }
    }

    public void See(Tick tick)
    {
        for (var i = 0; i < asked.Length; i++)
        {
            if (_kept[i] is null || asked[i].At is not { } at || tick.Snapshot.At <= world.Start + at) _kept[i] = tick;
        }
    }

    public ImmutableArray<ExplainedListing> Of(RunResult run) =>
    [
        .. asked.Zip(_kept).Where(pair => pair.Second is not null).Select(pair =>
        {
            var (model, tick) = (world.Spec.Find(ModelId.Of(pair.First.Model))!, pair.Second!);
            var at = tick.Snapshot.At - world.Start;
            ImmutableArray<DoneListing> last =
            [
                .. run.Decisions.Where(done => done.Model == model.Id && done.At <= at.TotalSeconds).TakeLast(LastMax)
                    .Select(done => new DoneListing(done.At, done.What, done.Why)),
            ];
            return new ExplainedListing(model.Id.Value, at.TotalSeconds, ModelStatus.Of(model, tick.Spec.Settings, tick.Snapshot, tick.Plan), last)
            {
                Lines = [.. ExplainText.Lines(
                    model, tick.Spec.Settings, tick.Snapshot, tick.Plan, $"at {SimulationTable.Moment(at.TotalSeconds)}",
                    last.Select(done => $"{SimulationTable.Moment(done.AtSeconds)} {done.What}: {done.Why}"), EightyColumns.Width)],
            };
        }),
    ];
}

/// <summary>Why a model stood as it did at a moment of the first run.</summary>
/// <param name="Model">The model.</param>
/// <param name="AtSeconds">Of the run.</param>
/// <param name="Now">As <c>status</c> and <c>explain</c> have it.</param>
/// <param name="Last">What was done with it before, oldest first.</param>
public sealed record ExplainedListing(string Model, double AtSeconds, ModelStatus Now, ImmutableArray<DoneListing> Last)
{
    /// <summary>The same for people, as <c>explain</c> prints it.</summary>
    [JsonIgnore]
    public ImmutableArray<string> Lines { get; init; } = [];
}

/// <summary>Something that was done.</summary>
/// <param name="AtSeconds">Of the run.</param>
/// <param name="What">What.</param>
/// <param name="Why">Its reason in words.</param>
public sealed record DoneListing(double AtSeconds, string What, string Why);
