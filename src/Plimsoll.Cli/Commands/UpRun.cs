using System.Collections.Concurrent;
using System.Collections.Immutable;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Control;
using Spectre.Console;

namespace Plimsoll.Cli.Commands;

/// <summary>One run of <c>plimsoll up</c>.</summary>
public sealed class UpRun(TextWriter output, TextWriter error, TimeProvider time)
{
    private const int RecentMax = 3;

    public async Task<int> RunAsync(UpArguments arguments, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        var definition = await DefineAsync(arguments, cancellationToken).ConfigureAwait(false);
        foreach (var note in definition.Notes) await error.WriteLineAsync($"plimsoll: {note}").ConfigureAwait(false);
        var state = Path.GetFullPath(arguments.State ?? StateFolders.Of(definition.Name));
        var live = !arguments.Plain && !Console.IsOutputRedirected && ReferenceEquals(output, Console.Out);
        var ticks = new ConcurrentQueue<Tick>();
        var (served, died, overdue) = (false, 0, 0);
        var lines = new ConcurrentQueue<string>();
        var host = await FleetHost.StartAsync(
            new FleetHostOptions(definition, Policies.Named(arguments.Policy), state),
            tick =>
            {
                served |= tick.Snapshot.Replicas.Any(replica => replica.State == ReplicaState.Ready);
                died += tick.Snapshot.Outcomes.Count(outcome => outcome is Outcome.Exited { Asked: false });
                overdue += tick.Plan.Steps.Count(step => step.Reason.Rule == Rule.StopLoadOverdue && tick.Applied.Started.Contains(step.Id));
                // A terminal that is stopped must not make the queue grow; only the newest are of use.
                if (ticks.Count < 1000) ticks.Enqueue(tick);
            },
            new LineLog(lines.Enqueue), time, cancellationToken).ConfigureAwait(false);
        await using (host.ConfigureAwait(false))
        {
            if (live) await LiveAsync(definition, host, ticks, lines, cancellationToken).ConfigureAwait(false);
            else await PlainAsync(definition, host, ticks, lines, cancellationToken).ConfigureAwait(false);
            if (host.Ended.IsFaulted)
                throw new CommandException(ExitCode.Internal, $"the control loop failed: {host.Ended.Exception!.GetBaseException().Message}");
            await output.WriteLineAsync(arguments.LeaveRunning ? "ending; the replicas are left running" : "ending; the replicas are stopped").ConfigureAwait(false);
        }

        if (served || died + overdue == 0) return ExitCode.Ok;
        throw new CommandException(
            ExitCode.Failed, $"no replica ever became ready: {died} died, {overdue} took too long; plimsoll history says how");
    }

    private async Task<FleetDefinition> DefineAsync(UpArguments arguments, CancellationToken cancellationToken)
    {
        var (file, notes) = arguments.Target is not { } target ? await QuickstartAsync(cancellationToken).ConfigureAwait(false)
            : Directory.Exists(target) ? FolderScan.Read(target)
            : (FleetFile.Read(target), ImmutableArray<string>.Empty);
        var definition = new FleetResolver(file).Resolve();
        if (definition is null) throw new CommandException(ExitCode.BadInput, string.Join('\n', notes.Concat(file.Problems.Lines())));
        return definition with
        {
            Notes = notes,
            Spec = definition.Spec with { Mode = arguments.Mode ?? definition.Spec.Mode },
            Node = definition.Node with { LeaveRunning = arguments.LeaveRunning },
            Gateway = definition.Gateway with { Port = arguments.Port ?? definition.Gateway.Port },
        };
    }

    private async Task<(FleetFile File, ImmutableArray<string> Notes)> QuickstartAsync(CancellationToken cancellationToken)
    {
        var folder = DemoFolders.Open().Models;
        await error.WriteLineAsync($"plimsoll: three sample models in {folder} (made on the first run, about 1.8 GB)").ConfigureAwait(false);
        try
        {
            foreach (var model in DemoModel.All)
                await SampleModels.EnsureAsync(folder, model.Id.Value, model.WeightBytes, cancel: cancellationToken).ConfigureAwait(false);
        }
        catch (ArtifactException unusable)
        {
            throw new CommandException(ExitCode.Failed, unusable.Message);
        }

        var file = new FleetFile
        {
            Path = "quickstart",
            Folder = folder,
            Document = new FleetDocument
            {
                Name = "quickstart",
                Models =
                [
                    .. DemoModel.All.Select(model => new ModelDocument
                    {
                        Name = model.Id.Value,
                        Source = Path.Combine(folder, model.Id.Value + ".onnx"),
                        Cores = model.Cores,
                        Slo = new SloDocument { Latency = model.Slo.Latency, Attainment = new Fraction(model.Slo.Attainment) },
                    }),
                ],
            },
            Problems = new Problems("quickstart"),
        };
        return (file, []);
    }

    private async Task PlainAsync(
        FleetDefinition definition, FleetHost host, ConcurrentQueue<Tick> ticks, ConcurrentQueue<string> lines, CancellationToken cancellationToken)
    {
        foreach (var line in Header(definition, host)) await output.WriteLineAsync(line).ConfigureAwait(false);
        var events = new EventLines();
        while (await NextAsync(host, cancellationToken).ConfigureAwait(false))
        {
            while (lines.TryDequeue(out var line)) await error.WriteLineAsync("plimsoll: " + line).ConfigureAwait(false);
            while (ticks.TryDequeue(out var tick))
            {
                foreach (var line in events.Of(tick)) await output.WriteLineAsync(line).ConfigureAwait(false);
            }

            await output.FlushAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LiveAsync(
        FleetDefinition definition, FleetHost host, ConcurrentQueue<Tick> ticks, ConcurrentQueue<string> lines, CancellationToken cancellationToken)
    {
        var events = new EventLines();
        var recent = new Queue<string>();
        Tick? last = null;
        await AnsiConsole.Live(new Text("starting ...")).AutoClear(false).Overflow(VerticalOverflow.Ellipsis).StartAsync(async display =>
        {
            while (await NextAsync(host, cancellationToken).ConfigureAwait(false))
            {
                while (ticks.TryDequeue(out var tick))
                {
                    last = tick;
                    foreach (var line in events.Of(tick)) recent.Enqueue(line);
                }

                while (lines.TryDequeue(out var line)) recent.Enqueue(line);
                while (recent.Count > RecentMax) recent.Dequeue();
                var width = Math.Max(FleetTable.WidthMin, AnsiConsole.Profile.Width);
                IEnumerable<string> shown =
                [
                    .. Header(definition, host).Select(line => FleetTable.Cut(line, width)), "",
                    .. last is null ? [] : FleetTable.Lines(last.Spec, last.Snapshot, last.Plan, width), "",
                    .. recent.Select(line => FleetTable.Cut(line, width)),
                ];
                display.UpdateTarget(new Text(string.Join('\n', shown)));
            }
        }).ConfigureAwait(false);
    }

    private static IEnumerable<string> Header(FleetDefinition definition, FleetHost host)
    {
        yield return $"fleet {definition.Name} ({ScalarKind.NameOf(definition.Spec.Mode)}), requests to {host.Gateway}"
            + (host.Admin is { } admin ? $", metrics at {admin}metrics" : "");
        if (host.JournalTrouble is { } trouble) yield return trouble;
    }

    // False once the fleet is to end, or has ended by itself.
    private async Task<bool> NextAsync(FleetHost host, CancellationToken cancellationToken)
    {
        await Task.WhenAny(host.Ended, Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellationToken)).ConfigureAwait(false);
        return !cancellationToken.IsCancellationRequested && !host.Ended.IsCompleted;
    }
}
