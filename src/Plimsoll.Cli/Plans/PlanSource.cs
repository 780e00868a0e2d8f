using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.FleetFiles.Yaml;
using Plimsoll.Cli.Fleets;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Local;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Cli.Plans;

/// <summary>What a plan is made of: which kind of file it was, and the fleet that was read.</summary>
/// <param name="Kind">"scenario", "fleet" or "journal".</param>
/// <param name="Said">The same for people, in a sentence.</param>
/// <param name="Fleet">What is planned for.</param>
internal sealed record PlanSource(string Kind, string Said, DescribedFleet Fleet)
{
    /// <summary>What a person should know although nothing is wrong.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    private static readonly ImmutableArray<string> OfScenarios = ["length", "nodes", "others", "faults", "truth"];

    /// <param name="path">A scenario file, a fleet file, a journal or the folder it is in; which, its content says.</param>
    /// <param name="state">The folder of the journal that a fleet file's models are known from; null for the one that <c>up</c> would use.</param>
    /// <param name="demand">What was said on the command line, by model.</param>
    /// <param name="nodes">Likewise, by group.</param>
    /// <param name="time">The clock of what is looked at now.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CommandException">It cannot be read; the message says why.</exception>
    public static async Task<PlanSource> ReadAsync(
        string path, string? state, Dictionary<string, KnownDemand> demand, Dictionary<string, int> nodes, TimeProvider time, CancellationToken cancellationToken)
    {
        var (journal, text) = Directory.Exists(path) ? (File.Exists(Journal.PathIn(path)) ? Journal.PathIn(path) : null, null) : Opened(path);
        if (text is not null && !IsFleetFile(text))
        {
            if (state is not null) throw Wrong($"--state is for fleet files, and {Show.Text(path, 200)} is a scenario");
            return OfScenario(ScenarioFile.Parse(text, Show.Text(path, 200)), path, demand, nodes, cancellationToken);
        }

        if (nodes.Count > 0) throw Wrong($"--nodes is for scenarios, which have groups of nodes; {Show.Text(path, 200)} is {(journal is null ? "of one machine" : "a journal, whose nodes are as they were seen")}");
        if (journal is null) return await OfFleetAsync(path, text, state, demand, time, cancellationToken).ConfigureAwait(false);
        if (state is not null) throw Wrong($"--state is for fleet files, and {Show.Text(path, 200)} is a journal itself");
        return OfJournal(journal, demand);
    }

    private static PlanSource OfScenario(ScenarioFile file, string path, Dictionary<string, KnownDemand> demand, Dictionary<string, int> nodes, CancellationToken cancellationToken)
    {
        if (!file.Problems.Any)
        {
            Known(demand.Keys, file.Document.Models.SelectMany(model => Enumerable.Range(0, model.Copies ?? 0).Select(copy => $"{model.Name}-{copy}").Prepend(model.Name!)), path);
            if (nodes.Keys.FirstOrDefault(name => file.Document.Nodes.All(group => group.Name != name)) is { } unknown)
                throw Wrong($"--nodes names \"{Show.Text(unknown)}\", which is no group of nodes of {Show.Text(path, 200)}; {Some(file.Document.Nodes.Select(one => one.Name!))} would do");
        }

        var described = new ScenarioResolver(file).Described(demand, nodes, cancellationToken)
            ?? throw Wrong(string.Join('\n', file.Problems.Lines()));
        return new PlanSource("scenario", $"scenario {Show.Text(path, 200)}", described);
    }

    private static async Task<PlanSource> OfFleetAsync(string path, string? text, string? state, Dictionary<string, KnownDemand> demand, TimeProvider time, CancellationToken cancellationToken)
    {
        var (file, notes) = text is null ? FolderScan.Read(path) : (FleetFile.Parse(text, path), []);
        var definition = new FleetResolver(file, time).Resolve(cancellationToken) ?? throw Wrong(string.Join('\n', notes.Concat(file.Problems.Lines())));
        var machine = await LocalMachine.LookAsync(definition.Node, time, cancellationToken).ConfigureAwait(false);
        var refused = FolderScan.RefusedOn(definition.Spec, SeenOf(machine, time.GetUtcNow()));
        if (text is null && definition.Spec.Models.Any(model => refused(model) is not null))
        {
            definition = new FleetResolver(file, time, refused: refused).Resolve(cancellationToken) ?? throw Wrong(string.Join('\n', file.Problems.Lines()));
            if (definition.Spec.Models.IsEmpty)
                throw new CommandException(ExitCode.Refused, string.Join('\n', [.. notes, .. definition.Notes, FolderScan.NothingFits(file).Message]));
        }

        // A disk whose size was not stated is taken to have room.
        var spec = definition.Node.CacheBudget is not null ? definition.Spec
            : definition.Spec with { Models = [.. definition.Spec.Models.Select(WithoutDisk)] };
        Known(demand.Keys, spec.Models.Select(model => model.Id.Value), path);
        var folder = state ?? StateFolders.Of(definition.Name);
        var learned = LearnedIn(folder);
        if (learned is null && state is not null) throw Wrong($"--state {Show.Text(state, 200)} holds no journal with a tick");
        var seen = SeenOf(machine, learned?.At ?? time.GetUtcNow());
        var said = $"fleet file {Show.Text(path, 200)}, on this machine with nothing else on it, "
            + (learned is null ? "of which no run has learned anything yet" : $"with what its run until {Moment(learned.At)} learned");
        return new PlanSource("fleet", said, ObservedFleet.Of(
            definition.Name, spec, seen, learned?.Knowledge ?? Knowledge.Empty, model => demand.TryGetValue(model.Value, out var told) ? told : new KnownDemand(0, 0)))
        {
            Notes = [.. notes, .. definition.Notes],
        };
    }

    private static FleetSnapshot SeenOf(NodeState machine, DateTimeOffset at) => new()
    {
        At = at,
        Can = Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim | Capabilities.Train
            | (machine.CacheBudget is null ? Capabilities.None : Capabilities.PrefetchWeights | Capabilities.EvictWeights),
        Nodes = [machine],
    };

    private static PlanSource OfJournal(string path, Dictionary<string, KnownDemand> demand)
    {
        using var journal = JournalReader.Open(path);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var tick = StatusCommand.Last(journal, folder);
        if (!tick.Snapshot.Can.HasFlag(Capabilities.ChooseNode))
            throw Wrong($"{Show.Text(path, 200)} is of a cluster whose scheduler chooses the nodes; what it plans cannot be told without that scheduler. A journal of plimsoll up, a fleet file or a scenario would do");
        Known(demand.Keys, tick.Spec.Models.Select(model => model.Id.Value), path);
        var verdicts = tick.Plan.Models.ToDictionary(verdict => verdict.Model);
        var name = StateFolders.ReadAddresses(folder)?.Fleet ?? Path.GetFileName(folder);
        var uncounted = tick.Spec.Models.Where(model => !demand.ContainsKey(model.Id.Value) && Seen(verdicts.GetValueOrDefault(model.Id)) is null).Select(model => model.Id.Value).ToList();
        var said = string.Create(CultureInfo.InvariantCulture, $"journal of {Show.Text(name)}: what ran and was asked at {Moment(tick.Snapshot.At)} (tick {tick.Number})")
            + (uncounted.Count > 0 ? $"; nobody counted what is asked of {Some(uncounted)}, for which nothing is planned" : "");
        return new PlanSource("journal", said, ObservedFleet.Of(
            name, tick.Spec, tick.Snapshot, journal.Latest()?.Knowledge ?? Knowledge.Empty,
            model => demand.TryGetValue(model.Value, out var told) ? told : Seen(verdicts.GetValueOrDefault(model)) ?? new KnownDemand(0, 0)));
    }

    // What came lately is the mean, and what was prepared for is the peak.
    private static KnownDemand? Seen(ModelVerdict? verdict)
    {
        if (verdict is null || !verdict.DemandPerSecond.TryGetLast(out var lately)) return null;
        return new KnownDemand(lately, verdict.ForecastPerSecond.TryGetLast(out var most) ? Math.Max(lately, most) : lately);
    }

    private static JournalLatest? LearnedIn(string folder)
    {
        if (!File.Exists(Journal.PathIn(folder))) return null;
        using var journal = JournalReader.Open(Journal.PathIn(folder));
        return journal.Latest();
    }

    private static ModelSpec WithoutDisk(ModelSpec model) => model with
    {
        Cached = false,
        Variants = [.. model.Variants.Select(variant => variant with { Needs = variant.Needs with { Disk = Bytes.Zero } })],
    };

    // A journal, which is an SQLite file, or the text of another file.
    private static (string? Journal, string? Text) Opened(string path)
    {
        var problems = new Problems(Show.Text(path, 200));
        var text = YamlText.Read(path, problems, "scenario or fleet file", "SQLite format 3"u8, out var isJournal);
        if (isJournal) return (path, null);
        return text is null ? throw Wrong(string.Join('\n', problems.Lines())) : (null, text);
    }

    // Only scenarios say how long they are and what nodes there are; what else is wrong with a file is told as what it is.
    private static bool IsFleetFile(string text) => YamlTree.Read(text, new Problems("")) is YamlItem.Map map
        && map.Entries.Any(entry => entry.Name == "models") && !map.Entries.Any(entry => OfScenarios.Contains(entry.Name));

    private static void Known(IEnumerable<string> named, IEnumerable<string> models, string path)
    {
        var names = models.ToHashSet(StringComparer.Ordinal);
        if (named.FirstOrDefault(name => !names.Contains(name)) is { } unknown)
            throw Wrong($"--demand names \"{Show.Text(unknown)}\", which is no model of {Show.Text(path, 200)}; {Some(names)} would do");
    }

    private static string Moment(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Some(IEnumerable<string> names) => string.Join(", ", names.Take(8));

    private static CommandException Wrong(string message) => new(ExitCode.BadInput, message);
}
