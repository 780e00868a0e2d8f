using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.FleetFiles.Yaml;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Scenarios;

/// <summary>A scenario file as read: bound and checked on its own, before any model or trace is looked at.</summary>
public sealed record ScenarioFile
{
    private const int NodesMax = 50_000;
    private const int CopiesLooked = 20_000;

    /// <summary>The file as it was named on the command line.</summary>
    public required string Path { get; init; }

    /// <summary>Paths in the file are relative to this folder.</summary>
    public required string Folder { get; init; }

    /// <summary>What could be bound; only to be used when there are no problems.</summary>
    public required ScenarioDocument Document { get; init; }

    public required Problems Problems { get; init; }

    public static ScenarioFile Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var problems = new Problems(Show.Text(path, 200));
        return Parse(YamlText.Read(path, problems, "scenario file"), path, problems);
    }

    /// <summary>The same for text that is at hand.</summary>
    public static ScenarioFile Parse(string text, string path) => Parse(text, path, new Problems(path));

    private static ScenarioFile Parse(string? text, string path, Problems problems)
    {
        var item = text is null ? null : YamlTree.Read(text, problems);
        var document = item is null ? new ScenarioDocument() : (ScenarioDocument)new Binder(problems).Group(item, typeof(ScenarioDocument), "");
        if (item is not null) Check(document, problems);
        return new ScenarioFile
        {
            Path = path,
            Folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)) ?? "/",
            Document = document,
            Problems = problems,
        };
    }

    // What no single field can tell.
    private static void Check(ScenarioDocument document, Problems problems)
    {
        Twice(problems, "nodes", [.. document.Nodes.Select(nodes => nodes.Name)]);
        Twice(problems, "models", [.. document.Models.Select(model => model.Name)]);
        Copies(problems, document.Models);
        var count = document.Nodes.Sum(nodes => (long)Math.Max(nodes.Count ?? 1, nodes.Most ?? 0));
        if (count > NodesMax) problems.Add("nodes", string.Create(CultureInfo.InvariantCulture, $"{count} nodes together; {NodesMax} are the most"));
        for (var i = 0; i < document.Nodes.Length; i++)
        {
            var (nodes, path) = (document.Nodes[i], string.Create(CultureInfo.InvariantCulture, $"nodes[{i}]"));
            if (nodes.Most < (nodes.Count ?? 1)) problems.Add($"{path}.most", string.Create(CultureInfo.InvariantCulture, $"found {nodes.Most}, which is below the {nodes.Count ?? 1} that there are; so many or more would do"));
            if (nodes.Instance is null && nodes.Memory is null) problems.Add($"{path}.memory", "missing; a size such as 64GiB would do, or an instance that says it");
            if (nodes.Instance is null && nodes.Cores is null) problems.Add($"{path}.cores", "missing; a number of cores would do, or an instance that says it");
            if (nodes.Device is null && nodes.Instance is null && nodes.Devices is > 0) problems.Add($"{path}.device", "missing; the kind of its devices, such as h100-80gb, would do");
        }

        for (var i = 0; i < document.Models.Length; i++) Check(document.Models[i], string.Create(CultureInfo.InvariantCulture, $"models[{i}]"), document.Length, problems);
        var names = document.Models.Select(model => model.Name).ToHashSet();
        var nodeNames = document.Nodes.DistinctBy(nodes => nodes.Name).ToDictionary(nodes => nodes.Name ?? "", nodes => Math.Max(nodes.Count ?? 1, nodes.Most ?? 0), StringComparer.Ordinal);
        for (var i = 0; i < document.Others.Length; i++)
        {
            if (document.Others[i].On is { } group && !nodeNames.ContainsKey(group))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"others[{i}].on"), $"found \"{Show.Text(group)}\", which is no group of nodes of this scenario");
        }

        for (var i = 0; i < document.Training.Length; i++)
            Check(document.Training[i], document.Nodes.FirstOrDefault(nodes => nodes.Name == document.Training[i].On), string.Create(CultureInfo.InvariantCulture, $"training[{i}]"), problems);
        Twice(problems, "training", [.. document.Training.Select(job => job.Name)]);
        foreach (var (i, name) in document.Training.Index().Select(one => (one.Index, one.Item.Name)))
        {
            if (name is not null && document.Others.Any(other => other.Name == name))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"training[{i}].name"), $"found \"{name}\", which one of others is called too; another name would do");
        }

        var called = document.Models.Where(model => model.Name is not null).SelectMany(model => ScenarioResolver.NamesOf(model).Take(CopiesLooked)).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < document.Faults.Length; i++)
        {
            var fault = document.Faults[i];
            if (fault.Strikes is not { } strikes || fault.What is not { } what) continue;
            var known = Fault.StrikesNode(what) ? IsNode(strikes, nodeNames) : called.Contains(strikes);
            if (!known) problems.Add(string.Create(CultureInfo.InvariantCulture, $"faults[{i}].strikes"), $"found \"{Show.Text(strikes)}\", which is no {(Fault.StrikesNode(what) ? "node" : "model")} of this scenario{(names.Contains(strikes) ? $"; of its copies {Show.Text(strikes)}-0 would do" : "")}");
        }
    }

    private static void Check(TrainingDocument job, NodesDocument? on, string path, Problems problems)
    {
        if (job.On is { } group && on is null) problems.Add($"{path}.on", $"found \"{Show.Text(group)}\", which is no group of nodes of this scenario");
        if (job.Source is not null) return;
        if (job is { Gpus: null or 0, Memory: null }) problems.Add($"{path}.gpus", "missing; devices of each member, or memory, or source, which says both, would do");
        foreach (var (field, given) in new[] { ("method", job.Method is not null), ("sequence", job.Sequence is not null), ("microBatch", job.MicroBatch is not null) })
            if (given) problems.Add($"{path}.{field}", "there is no source that it is of");
    }

    private static void Check(ScenarioModelDocument model, string path, TimeSpan? length, Problems problems)
    {
        if (model.Source is null == model.Weights is null) problems.Add($"{path}.source", "either source or weights would do");
        FleetChecks.Check(model.MinReplicas, model.MaxReplicas, model.Slo, path, problems);
        KnownEvents.Check(model.Events, path, problems);
        if (model.Traffic is { } traffic)
        {
            var told = (traffic.Rate is not null ? 1 : 0) + (traffic.Wave is not null ? 1 : 0) + (traffic.Trace is not null ? 1 : 0);
            if (told != 1) problems.Add($"{path}.traffic", told == 0 ? "missing; rate, wave or trace would do" : "more than one of rate, wave and trace is given; one would do");
            if (traffic is { Trace: null, Client: not null }) problems.Add($"{path}.traffic.client", "there is no trace whose client it could be");
            if (traffic is { Trace: null, From: not null }) problems.Add($"{path}.traffic.from", "there is no trace to begin in");
            if (traffic is { Trace: null, Scale: not null }) problems.Add($"{path}.traffic.scale", "there is no trace whose rate it is times; a rate says itself how much");
            if (traffic.Wave is { Least: { } least, Most: { } most } && least > most) problems.Add($"{path}.traffic.wave.least", "is above most");
            if (traffic.Wave is { Period: { } period } && length is { } all && all / period > RateCurve.WavesMost)
                problems.Add($"{path}.traffic.wave.period", $"found {Durations.Show(period)}, more than {RateCurve.WavesMost} times in the {Durations.Show(all)} of the scenario; {Durations.Show(TimeSpan.FromSeconds(Math.Ceiling(all.TotalSeconds / RateCurve.WavesMost)))} or more would do");
        }

        for (var i = 0; i < model.Runs.Length; i++)
        {
            var run = model.Runs[i];
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}.runs[{i}]");
            if (run.Device is { } device && DeviceCatalogue.BuiltIn.Find(device) is null)
                problems.Add($"{at}.device", $"found \"{Show.Text(device)}\", which is no device of the catalogue; plimsoll devices lists them");
            if (run.Device is null && run.Gpus is not null) problems.Add($"{at}.gpus", "no device is named; name it, or leave this out");
            FleetChecks.Check(run.Context, model.Tokens?.Input, model.Tokens?.Output, at, problems);
            BatchProfiles.Check(run.Profile, at, problems);
            if (!run.Profile.IsEmpty)
            {
                if ((run.Seconds ?? run.SecondsEach) is not null) problems.Add($"{at}.seconds", "a profile says how long requests take; leave this out");
                continue;
            }

            if (run.Seconds is null && run.SecondsEach is not null) problems.Add($"{at}.secondsEach", "seconds is missing; what a request takes alone would do");
            if (run.Seconds is null && model.Source is null) problems.Add($"{at}.seconds", "missing; without a source nothing tells how long a request takes, such as 50ms");
            if (run.Seconds is null && run.Device is null) problems.Add($"{at}.seconds", "missing; on the processor nothing tells how long a request takes, such as 50ms");
        }
    }

    private static bool IsNode(string name, Dictionary<string, int> groups) =>
        name.LastIndexOf('-') is var dash and > 0 && groups.TryGetValue(name[..dash], out var count)
        && int.TryParse(name.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < count;

    // Copies are called by their model's name and a number, which no other model may be.
    private static void Copies(Problems problems, ImmutableArray<ScenarioModelDocument> models)
    {
        var made = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var model in models.Where(model => model is { Copies: not null, Name: not null }).DistinctBy(model => model.Name))
            foreach (var name in ScenarioResolver.NamesOf(model).Take(CopiesLooked)) made.TryAdd(name, model.Name!);
        for (var i = 0; i < models.Length; i++)
        {
            if (models[i] is { Name: { } name, Copies: null } && made.TryGetValue(name, out var of))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"models[{i}].name"), $"found \"{name}\", which a copy of {of} is called too; another name would do");
        }
    }

    private static void Twice(Problems problems, string list, ImmutableArray<string?> names)
    {
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < names.Length; i++)
        {
            if (names[i] is { } name && !first.TryAdd(name, i))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{list}[{i}].name"), $"found \"{name}\" a second time, first in {list}[{first[name]}]; names must differ");
        }
    }
}
