using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.Demo.Traffic;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Kubectl;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Packing;
using Plimsoll.Cli.Plans;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Cli.Scenarios.Tuning;
using Plimsoll.Cli.Weighing;
using Plimsoll.Local;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Commands;

/// <summary>The whole command line.</summary>
public static class CommandLine
{
    /// <summary>How long a command may take to end after a signal: Ctrl-C ends a fleet in order and not in the middle.</summary>
    internal static readonly TimeSpan EndingMax = TimeSpan.FromMinutes(3);

    public static RootCommand Create(TimeProvider time)
    {
        var root = new RootCommand("Plimsoll scales a fleet of ML models by what they weigh.")
        {
            UpCommand.Create(time),
            DemoCommand.Create((arguments, traces, output, error, cancellationToken) =>
                new DemoRun(arguments, output, error, time).RunAsync(traces, cancellationToken),
                (arguments, seeds, traces, output, error, cancellationToken) =>
                    new DemoSimulation(arguments, seeds, output, error, time).RunAsync(traces, cancellationToken)),
            LoadCommand.Create(time),
            StatusCommand.Create(time),
            ExplainCommand.Create(time),
            HistoryCommand.Create(time),
            ReplayCommand.Create(),
            InspectCommand.Create(time),
            FitCommand.Create(time),
            CapacityCommand.Create(time),
            SimulateCommand.Create(time),
            CompareCommand.Create(time),
            TuneCommand.Create(time),
            PlanCommand.Create(time),
            PackCommand.Create(),
            TrainFitCommand.Create(time),
            ModelsCommand.Create(time),
            DevicesCommand.Create(),
            OperatorCommand.Create(time),
            KubectlCommand.Create(time),
            GatewayCommand.Create(time),
            NodeCacheCommand.Create(time),
            ImportCommand.Create(time),
            SchemaCommand.Create(),
            CompletionCommand.Create(),
            TrafficCommand.Create(time),
        };
        NamedHelp.PutInto(root);
        EmptyValues.RefuseIn(root);
        return root;
    }

    // The library lists values one to a line.
    private static string OneLine(string message)
    {
        var lines = message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length < 2 ? message : $"{lines[0]} {string.Join(", ", lines[1..])}";
    }

    private static string PathOf(CommandResult command) =>
        command.Command is RootCommand ? "" : (command.Parent is CommandResult parent ? PathOf(parent) : "") + " " + command.Command.Name;

    /// <summary>Runs one command. What goes wrong is a sentence on <paramref name="error"/>, never a stack trace.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, TimeProvider time)
    {
        // The exit code is to tell what went wrong where the sentence cannot be written.
        var sentences = EnduringWriter.Over(error);
        try
        {
            var parsed = Create(time).Parse(args);
            if (parsed.Action is ParseErrorAction)
            {
                foreach (var mistake in parsed.Errors) await sentences.WriteLineAsync($"plimsoll: {Show.Text(OneLine(mistake.Message), 400)}").ConfigureAwait(false);
                await sentences.WriteLineAsync($"plimsoll{PathOf(parsed.CommandResult)} --help shows what it takes").ConfigureAwait(false);
                return ExitCode.BadInput;
            }

            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = parsed.CommandResult.Command.Name == UpCommand.Name ? UpRun.ForcedEnd : EndingMax,
            }).ConfigureAwait(false);
        }
        catch (CommandException problem)
        {
            foreach (var line in problem.Message.Split('\n')) await sentences.WriteLineAsync($"plimsoll: {line}").ConfigureAwait(false);
            return problem.Code;
        }
        catch (Exception unusable) when (unusable is ArtifactException or TraceException or JournalException)
        {
            await sentences.WriteLineAsync($"plimsoll: {Show.Text(unusable.Message, 400)}").ConfigureAwait(false);
            return unusable is TraceException ? ExitCode.BadInput : ExitCode.Failed;
        }
        catch (OperationCanceledException)
        {
            await sentences.WriteLineAsync("plimsoll: interrupted before it was done").ConfigureAwait(false);
            return ExitCode.Interrupted;
        }
        catch (Exception mistake) when (Environment.GetEnvironmentVariable("PLIMSOLL_DEBUG") != "1")
        {
            await sentences.WriteLineAsync($"plimsoll: {Show.Text(mistake.Message, 400)} (PLIMSOLL_DEBUG=1 shows where)").ConfigureAwait(false);
            return mistake is IOException or UnauthorizedAccessException ? ExitCode.Failed : ExitCode.Internal;
        }
    }
}
