using System.Collections.Immutable;
using System.CommandLine;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Demo;

/// <summary>The command <c>plimsoll demo</c>.</summary>
public static class DemoCommand
{
    /// <param name="run">Runs the demo: arguments, the trace files when traces are played, output, error.</param>
    /// <param name="simulate">Runs it on a virtual clock: the same, and how many seeds.</param>
    public static Command Create(
        Func<DemoArguments, ImmutableSortedDictionary<ModelId, string>, TextWriter, TextWriter, CancellationToken, Task<int>> run,
        Func<DemoArguments, int, ImmutableSortedDictionary<ModelId, string>, TextWriter, TextWriter, CancellationToken, Task<int>> simulate)
    {
        var policy = UpCommand.PolicyOption();
        var minutes = TrafficOptions.Positive("--minutes", "How long the traffic runs (default 4)", "M", 60);
        var speedUp = TrafficOptions.Positive("--speed-up", "Trace seconds per second (default 15: an hour in four minutes)", "X", 1000);
        var seed = TrafficOptions.Seed();
        var trace = new Option<string[]>("--trace")
        {
            Description = "Play real traces: MODEL=FILE, repeated; alone, the two Azure hours of PLIMSOLL_DATA",
            HelpName = "MODEL=FILE",
            Arity = ArgumentArity.ZeroOrMore,
        };
        trace.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (!DemoTraces.TryParse(token.Value, out _, out _))
                    result.AddError($"--trace is '{token.Value}'; expected MODEL=FILE, like large=code.csv.");
            }
        });
        var turns = new Option<bool>("--turns") { Description = "With --trace: let the models take turns, as the made-up traffic does" };
        var cap = TrafficOptions.Count("--sequence-length", "The cap on sizes, in tokens", 64, 512);
        var simulated = new Option<bool>("--simulate") { Description = "On a virtual clock, in seconds: both policies on the same requests" };
        var seeds = new Option<int>("--seeds") { Description = "With --simulate: runs, each with requests and load times of its own (default 1)", HelpName = "N", DefaultValueFactory = _ => 1 };
        var json = new Option<bool>("--json") { Description = "Print the verdict as JSON" };
        var command = new Command("demo", "Three models, one memory budget, four minutes of traffic, and a verdict")
        {
            policy, minutes, speedUp, seed, trace, turns, cap, simulated, seeds, json,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            var arguments = new DemoArguments
            {
                Minutes = parsed.GetValue(minutes) ?? 4,
                SpeedUp = parsed.GetValue(speedUp) ?? 15,
                Seed = parsed.GetValue(seed),
                Policy = parsed.GetValue(policy)!,
                SequenceCap = parsed.GetValue(cap),
                PlaysTraces = parsed.GetResult(trace) is not null,
                Traces = Named(parsed.GetValue(trace) ?? []),
                Turns = parsed.GetValue(turns),
                Json = parsed.GetValue(json),
            };
            var files = ImmutableSortedDictionary<ModelId, string>.Empty;
            if (arguments.PlaysTraces)
            {
                (files, var problem) = DemoTraces.Find(arguments.Traces, DemoModel.All, DataFolder());
                if (problem is not null) throw new CommandException(ExitCode.BadInput, problem);
            }

            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var count = parsed.GetValue(seeds);
            if (count is < 1 or > DemoSimulation.SeedsMax) throw new CommandException(ExitCode.BadInput, $"--seeds is {count}; 1 to {DemoSimulation.SeedsMax} would do");
            if (parsed.GetValue(simulated)) return simulate(arguments, count, files, output, error, cancellationToken);
            if (count > 1) throw new CommandException(ExitCode.BadInput, $"--seeds is {count}; on the machine the demo runs once, with --seed; add --simulate for more");
            return run(arguments, files, output, error, cancellationToken);
        });
        return command;
    }

    private static string DataFolder() =>
        Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } folder ? folder : Path.Combine("..", "shared", "data");

    private static ImmutableSortedDictionary<ModelId, string> Named(string[] traces)
    {
        var named = ImmutableSortedDictionary.CreateBuilder<ModelId, string>();
        foreach (var text in traces)
        {
            if (DemoTraces.TryParse(text, out var model, out var file)) named[model] = file;
        }

        return named.ToImmutable();
    }
}
