using System.Collections.Concurrent;
using System.Collections.Immutable;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Control;
using Plimsoll.Local;
using Spectre.Console;

namespace Plimsoll.Cli.Commands;

/// <summary>One run of <c>plimsoll up</c>.</summary>
public sealed class UpRun(TextWriter output, TextWriter error, TimeProvider time)
{
    // A full disk under its log, or a terminal that is gone, must not end a fleet.
    private readonly TextWriter _output = EnduringWriter.Over(output);
    private readonly TextWriter _error = EnduringWriter.Over(error);

    private const int RecentMax = 3;

    // For the journal's last tick, and for a replica that had to be killed to be gone.
    private static readonly TimeSpan RestOfEnd = TimeSpan.FromSeconds(10);

    /// <summary>
    /// After a signal it ends by force only past this: the longest that replicas and jobs may be given to stop, and what comes before and
    /// after. Sooner, one would be left that nobody kills.
    /// </summary>
    internal static readonly TimeSpan ForcedEnd = TimeSpan.FromSeconds(MachineDocument.StopGraceSecondsMax) + TimeSpan.FromMinutes(2);

    // Below this a table says nothing; the terminal then cuts it.
    private const int LowestTable = 6;

    public async Task<int> RunAsync(UpArguments arguments, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        var watch = arguments.Target is { } target && !Directory.Exists(target)
            ? new FleetFileWatch(target, () => Define(FleetFile.Read(target), [], arguments, cancellationToken), time) : null;
        var (file, found) = await ReadAsync(arguments, cancellationToken).ConfigureAwait(false);
        var definition = Define(file, found, arguments, cancellationToken);
        foreach (var note in definition.Notes) await _error.WriteLineAsync($"plimsoll: {note}").ConfigureAwait(false);
        var state = Path.GetFullPath(arguments.State ?? StateFolders.Of(definition.Name));
        var live = !arguments.Plain && ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected
            && AnsiConsole.Profile.Capabilities is { Ansi: true, Interactive: true };
        var ticks = new ConcurrentQueue<Tick>();
        var (served, died, overdue) = (false, 0, 0);
        var lines = new ConcurrentQueue<string>();
        var host = await FleetHost.StartAsync(
            new FleetHostOptions(definition, arguments.Policy, state)
            {
                Page = arguments.Page,
                Fitted = Directory.Exists(arguments.Target) ? seen => definition = Fitted(definition, file, seen, arguments, cancellationToken) : null,
            },
            tick =>
            {
                served |= tick.Snapshot.Replicas.Any(replica => replica.State == ReplicaState.Ready);
                died += tick.Snapshot.Outcomes.Count(outcome => outcome is Outcome.Exited { Asked: false });
                overdue += tick.Plan.Steps.Count(step => step.Reason.Rule is Rule.StopLoadOverdue or Rule.StopWakeOverdue && tick.Applied.Started.Contains(step.Id));
                // A terminal that is stopped must not make the queue grow; only the newest are of use.
                if (ticks.Count < 1000) ticks.Enqueue(tick);
            },
            new LineLog(lines.Enqueue), time, cancellationToken).ConfigureAwait(false);
        try
        {
            using var second = new SecondSignal(time, host.Hurry);
            await using (host.ConfigureAwait(false))
            {
                using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                var watching = watch?.RunAsync(definition, host.Offer, lines.Enqueue, ending.Token) ?? Task.CompletedTask;
                if (!live || !await LiveAsync(definition, host, ticks, lines, cancellationToken).ConfigureAwait(false))
                    await PlainAsync(definition, host, ticks, lines, cancellationToken).ConfigureAwait(false);
                await ending.CancelAsync().ConfigureAwait(false);
                await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                host.ThrowIfFailed();
                await _output.WriteLineAsync($"ending: requests under way have {Durations.Show(definition.Gateway.ShutdownTime)} to finish"
                    + (arguments.LeaveRunning ? "; the replicas are left running" : definition.Spec.Training.IsEmpty ? ", then the replicas are stopped" : ", then the replicas are stopped and the jobs save") + "; another Ctrl-C waits no longer").ConfigureAwait(false);
            }
        }
        finally
        {
            // What was said since the last look, and while it ended.
            await TellAsync(lines).ConfigureAwait(false);
        }

        await _output.WriteLineAsync(arguments.LeaveRunning ? "ended; the next up of this fleet takes its replicas over" : "ended; nothing is left running")
            .ConfigureAwait(false);

        if (served || died + overdue == 0) return ExitCode.Ok;
        throw new CommandException(
            ExitCode.Failed, $"no replica ever became ready: {died} died, {overdue} took too long; plimsoll history says how");
    }

    private async Task<(FleetFile File, ImmutableArray<string> Notes)> ReadAsync(UpArguments arguments, CancellationToken cancellationToken) =>
        arguments.Target is not { } target ? await QuickstartAsync(cancellationToken).ConfigureAwait(false)
            : Directory.Exists(target) ? FolderScan.Read(target)
            : (FleetFile.Read(target), []);

    // Nobody chose a folder's models one by one: one that the machine cannot hold leaves the others to be served.
    private FleetDefinition Fitted(
        FleetDefinition definition, FleetFile file, FleetSnapshot seen, UpArguments arguments, CancellationToken cancellationToken)
    {
        var refused = FolderScan.RefusedOn(definition.Spec, seen);
        if (definition.Spec.Models.All(model => refused(model) is null)) return definition;
        var fitted = Define(file, [], arguments, cancellationToken, refused);
        foreach (var note in fitted.Notes.Except(definition.Notes)) _error.WriteLine($"plimsoll: {note}");
        return fitted.Spec.Models.IsEmpty ? throw FolderScan.NothingFits(file) : fitted;
    }

    // What the command line says goes over what the file says, at the start and whenever it is read again.
    private FleetDefinition Define(
        FleetFile file, ImmutableArray<string> notes, UpArguments arguments, CancellationToken cancellationToken, Func<ModelSpec, string?>? refused = null)
    {
        var definition = new FleetResolver(file, time, model => LastCached(arguments.State ?? StateFolders.Of(FleetResolver.NameOf(file)), model), refused)
            .Resolve(cancellationToken);
        if (definition is null) throw new CommandException(ExitCode.BadInput, string.Join('\n', notes.Concat(file.Problems.Lines())));
        return definition with
        {
            Notes = [.. notes, .. definition.Notes],
            Spec = definition.Spec with { Mode = arguments.Mode ?? definition.Spec.Mode },
            Node = definition.Node with { LeaveRunning = arguments.LeaveRunning },
            Gateway = definition.Gateway with { Port = arguments.Port ?? definition.Gateway.Port, ShutdownTime = EndTimeOf(definition) },
        };
    }

    /// <summary>
    /// How long requests under way may take at the end: what a draining replica is allowed, as far as three minutes leave it
    /// beside what the replicas are given to stop; ten seconds where they leave none.
    /// </summary>
    internal static TimeSpan EndTimeOf(FleetDefinition definition)
    {
        var most = CommandLine.EndingMax - definition.Node.StopGrace - RestOfEnd;
        if (most < RestOfEnd) most = RestOfEnd;
        return definition.Spec.Settings.DrainDeadline is var deadline && deadline < most ? deadline : most;
    }

    // A controller that comes back while the models' server is away must not let go of what it has.
    private static ModelSpec? LastCached(string state, ModelId id)
    {
        try
        {
            if (!File.Exists(Journal.PathIn(state))) return null;
            using var journal = JournalReader.Open(Journal.PathIn(state));
            if (journal.Range() is not { } range || journal.Tick(range.Last) is not { } tick || tick.Spec.Find(id) is not { Cached: true } model)
                return null;
            return tick.Snapshot.Cache.Any(copy => copy.Complete && copy.Model == id && copy.Version == model.Version) ? model : null;
        }
        catch (JournalException)
        {
            // Then the server must answer.
            return null;
        }
    }

    private async Task<(FleetFile File, ImmutableArray<string> Notes)> QuickstartAsync(CancellationToken cancellationToken)
    {
        var folder = DemoFolders.Open().Models;
        await SampleFleet.MakeAsync(
            DemoModel.All, folder, line => _error.WriteLine("plimsoll: " + line), time, cancellationToken).ConfigureAwait(false);
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
                        Source = SampleFleet.PathOf(folder, model),
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
        foreach (var line in Header(definition, host).Append(Summary(definition, host))) await _output.WriteLineAsync(line).ConfigureAwait(false);
        await _output.FlushAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var events = new EventLines();
        while (await NextAsync(host, cancellationToken).ConfigureAwait(false))
        {
            await TellAsync(lines).ConfigureAwait(false);
            while (ticks.TryDequeue(out var tick))
            {
                foreach (var line in events.Of(tick)) await _output.WriteLineAsync(line).ConfigureAwait(false);
            }

            await _output.FlushAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task TellAsync(ConcurrentQueue<string> lines)
    {
        while (lines.TryDequeue(out var line)) await _error.WriteLineAsync("plimsoll: " + line).ConfigureAwait(false);
    }

    /// <summary>False where the terminal takes no more before the fleet is to end.</summary>
    private async Task<bool> LiveAsync(
        FleetDefinition definition, FleetHost host, ConcurrentQueue<Tick> ticks, ConcurrentQueue<string> lines, CancellationToken cancellationToken)
    {
        var events = new EventLines();
        var recent = new Queue<string>();
        Tick? last = null;
        try
        {
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
                    display.UpdateTarget(new Text(string.Join('\n', Screen(definition, host, last, recent))));
                }
            }).ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    // The last line and three columns stay empty: a text that fills the terminal scrolls it, and so does the ^C that a
    // terminal echoes behind it; what is drawn again would then be torn.
    private static List<string> Screen(FleetDefinition definition, FleetHost host, Tick? last, Queue<string> recent)
    {
        var (width, height) = (Math.Max(FleetTable.WidthMin, AnsiConsole.Profile.Width - 3), AnsiConsole.Profile.Height);
        var header = Header(definition, host).SelectMany(line => FleetTable.Wrap(line, width)).ToList();
        if (last is null) return header;
        var fleet = FleetTable.Lines(
            last.Spec, last.Snapshot, last.Plan, width, Math.Max(LowestTable, height - header.Count - recent.Count - 3));
        return [.. header, "", .. fleet, .. recent.Select(line => FleetTable.Cut(line, width)).Prepend("").Take(recent.Count == 0 ? 0 : int.MaxValue)];
    }

    private static IEnumerable<string> Header(FleetDefinition definition, FleetHost host)
    {
        yield return $"fleet {definition.Name} ({ScalarKind.NameOf(definition.Spec.Mode)})";
        yield return $"requests to {host.Gateway}" + (host.Admin is { } admin ? $", metrics at {admin}metrics" : "");
        if (host.Page is { } page) yield return $"what it does, in a browser: {page}";
        if (host.JournalTrouble is { } trouble) yield return trouble;
    }

    private static string Summary(FleetDefinition definition, FleetHost host)
    {
        var models = definition.Spec.Models;
        var weights = models.Aggregate(Bytes.Zero, (sum, model) => sum + model.Footprint.Weights);
        var jobs = definition.Spec.Training.Length;
        return $"{models.Length} {(models.Length == 1 ? "model" : "models")}{(jobs == 0 ? "" : $" and {jobs} training {(jobs == 1 ? "job" : "jobs")}")}, {weights} of weights, memory budget {host.MemoryBudget}; "
            + (models.Any(model => model.MinReplicas > 0) ? "what is wanted at least is loaded first" : "a model is loaded when a request for it comes");
    }

    // False once the fleet is to end, or has ended by itself.
    private async Task<bool> NextAsync(FleetHost host, CancellationToken cancellationToken)
    {
        await Task.WhenAny(host.Ended, Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellationToken)).ConfigureAwait(false);
        return !cancellationToken.IsCancellationRequested && !host.Ended.IsCompleted;
    }
}
