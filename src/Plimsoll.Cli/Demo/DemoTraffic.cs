using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.Demo.Traffic;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Traces;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Demo;

/// <summary>The demo's requests, and every choice in them that a reader must know.</summary>
/// <param name="Schedule">In the order of time; the same at each enumeration.</param>
/// <param name="Notes">Sentences to print: source, speed-up, thinning, cap.</param>
public sealed record DemoTraffic(IEnumerable<ScheduledRequest> Schedule, ImmutableArray<string> Notes)
{
    /// <summary>Made-up traffic with the burstiness and sizes fitted to the Azure traces, in turns.</summary>
    public static DemoTraffic Synthetic(DemoArguments arguments, ImmutableArray<DemoModel> models, MachineSpeed machine)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(machine);
        var notes = ImmutableArray.CreateBuilder<string>();
        notes.Add("Traffic: made up, seed " + Show(arguments.Seed) + ", with burstiness and sizes fitted to the Azure LLM 2023 "
            + "traces (code for large, conv for the others), in turns so that models rest and return.");
        var parts = new List<IEnumerable<ScheduledRequest>>();
        for (var i = 0; i < models.Length; i++)
        {
            var model = models[i];
            var stream = TrafficFitFile.Embedded.Stream(model.Stream);
            var keep = machine.KeepOneIn(model, stream.MeanPerSecond * arguments.SpeedUp, arguments.SequenceCap);
            var seed = SeededRandom.Derive(arguments.Seed, model.Id.Value);
            parts.Add(InTurns(
                Schedules.Replay(
                    stream.Requests(seed), (_, _) => model.Id, arguments.SpeedUp, keep, arguments.SequenceCap, arguments.Duration, seed),
                models, i, arguments));
            notes.Add(Thinning(model, stream.MeanPerSecond, arguments, keep));
        }

        notes.AddRange(Common(arguments, machine));
        return new DemoTraffic(Schedules.Merge(parts), notes.ToImmutable());
    }

    /// <summary>Real traces, each model its own file, or several sharing one by a seeded hash of the request's place.</summary>
    /// <param name="arguments">What was asked for.</param>
    /// <param name="models">All models.</param>
    /// <param name="files">The file of each model that gets traffic.</param>
    /// <param name="machine">What the machine can carry.</param>
    /// <exception cref="TraceException">A file cannot be read.</exception>
    public static DemoTraffic Replayed(
        DemoArguments arguments, ImmutableArray<DemoModel> models, IReadOnlyDictionary<ModelId, string> files, MachineSpeed machine)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(machine);
        var notes = ImmutableArray.CreateBuilder<string>();
        var parts = new List<IEnumerable<ScheduledRequest>>();
        foreach (var sharing in models.Where(model => files.ContainsKey(model.Id)).GroupBy(model => files[model.Id], StringComparer.Ordinal))
        {
            var shares = sharing.ToImmutableArray();
            var (count, length, longest) = Measure(sharing.Key);
            notes.Add($"Trace: {Path.GetFileName(sharing.Key)}, {Show(count)} requests in {Durations.Show(length)}, to "
                + string.Join(" and ", shares.Select(model => model.Id)) + (shares.Length > 1 ? ", each request by seeded hash." : "."));
            if (longest > arguments.SequenceCap)
                notes.Add($"Sizes: ContextTokens up to {Show(longest)}, cut to {Show(arguments.SequenceCap)} (the cap).");
            foreach (var model in shares)
            {
                var perSecond = count / Math.Max(1, length.TotalSeconds) / shares.Length;
                var keep = machine.KeepOneIn(model, perSecond * arguments.SpeedUp, arguments.SequenceCap);
                var part = Schedules.Replay(
                    Share(TraceReader.Read(sharing.Key), shares, model.Id, arguments.Seed), (_, _) => model.Id, arguments.SpeedUp,
                    keep, arguments.SequenceCap, arguments.Duration, SeededRandom.Derive(arguments.Seed, model.Id.Value));
                parts.Add(arguments.Turns ? InTurns(part, models, models.IndexOf(model), arguments) : part);
                notes.Add(Thinning(model, perSecond, arguments, keep));
            }
        }

        if (arguments.Turns) notes.Add("In turns: each model gets only the requests of its own stretches, as in the made-up traffic.");

        notes.AddRange(Common(arguments, machine));
        return new DemoTraffic(Schedules.Merge(parts), notes.ToImmutable());
    }

    /// <summary>The part of a trace that goes to one of the models that share it.</summary>
    internal static IEnumerable<TraceRequest> Share(
        IEnumerable<TraceRequest> trace, ImmutableArray<DemoModel> shares, ModelId model, ulong seed)
    {
        var split = SeededRandom.Derive(seed, "split");
        var n = 0UL;
        foreach (var request in trace)
        {
            if (shares[(int)(SeededRandom.Mix(split, ++n) % (ulong)shares.Length)].Id == model) yield return request;
        }
    }

    private static IEnumerable<ScheduledRequest> InTurns(
        IEnumerable<ScheduledRequest> requests, ImmutableArray<DemoModel> models, int place, DemoArguments arguments)
    {
        var phases = Phases.Of(place, models.Length, arguments.Duration, arguments.SpeedUp, arguments.Seed);
        return requests.Where(request => phases.Contains(request.At));
    }

    private static (long Count, TimeSpan Length, int Longest) Measure(string file)
    {
        var (count, last, longest) = (0L, TimeSpan.Zero, 0);
        foreach (var request in TraceReader.Read(file))
        {
            count++;
            last = request.At;
            longest = Math.Max(longest, request.Tokens);
        }

        return (count, last, longest);
    }

    private static string Thinning(DemoModel model, double perSecond, DemoArguments arguments, int keep) =>
        $"{model.Id}: {Show(perSecond * arguments.SpeedUp)}/s after the speed-up, "
        + (keep == 1 ? "all kept." : $"1 request in {Show(keep)} kept: what this machine can carry.");

    private static IEnumerable<string> Common(DemoArguments arguments, MachineSpeed machine)
    {
        yield return $"Speed-up {Show(arguments.SpeedUp)}: {Durations.Show(arguments.Duration)} stand for "
            + $"{Durations.Show(arguments.Duration * arguments.SpeedUp)}. Sequences are cut to {Show(arguments.SequenceCap)} tokens. "
            + $"Kept load: {Show(machine.Utilisation * 100)} % of {Show(machine.GigaflopsPerCore)} GFLOP/s a core.";
    }

    private static string Show(double number) =>
        number.ToString(number >= 100 ? "0" : "0.##", CultureInfo.InvariantCulture);
}
