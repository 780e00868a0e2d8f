using System.Collections.Immutable;
using System.Globalization;
using System.Net;

using Plimsoll.Artifacts;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>What no single field can tell: names twice, pairs that contradict each other, sums out of bounds.</summary>
internal static class FleetChecks
{
    public const int DemandBucketsMax = 100_000;

    private static readonly ImmutableArray<string> Placeholders =
        ["model", "name", "port", "device", "cores", "threads", "load_bandwidth"];

    public static void Check(FleetDocument document, Problems problems)
    {
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < document.Models.Length; i++)
        {
            var (model, path) = (document.Models[i], string.Create(CultureInfo.InvariantCulture, $"models[{i}]"));
            if (model.Name is { } name && !first.TryAdd(name, i))
                problems.Add($"{path}.name", $"found \"{name}\" a second time, first in models[{first[name]}]; names must differ");
            Check(model, path, problems);
            Check(model.Context, model.Tokens?.Input, model.Tokens?.Output, path, problems);
        }

        CheckJobs(document, first, problems);
        if (document.Gateway is { } gateway) Check(gateway, problems);
        if (document.Planner is { } planner) Check(planner, problems);
    }

    // explain takes a name of either.
    private static void CheckJobs(FleetDocument document, Dictionary<string, int> models, Problems problems)
    {
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < document.Training.Length; i++)
        {
            var (job, path) = (document.Training[i], string.Create(CultureInfo.InvariantCulture, $"training[{i}]"));
            if (job.Name is { } name && !first.TryAdd(name, i))
                problems.Add($"{path}.name", $"found \"{name}\" a second time, first in training[{first[name]}]; names must differ");
            else if (job.Name is { } taken && models.TryGetValue(taken, out var model))
                problems.Add($"{path}.name", $"found \"{taken}\", which is the name of models[{model}]; another would do");
            if (job.Devices > 0 && job.DeviceMemory is null)
                problems.Add($"{path}.deviceMemory", "missing, and devices is given; what it takes of each, such as 20GiB, would do");
            if (job.Devices is null or 0 && (job.DeviceMemory is not null || job.Device is not null))
                problems.Add($"{path}.{(job.DeviceMemory is null ? "device" : "deviceMemory")}", "given, and devices is 0; devices: 1 would do, or leave it out");
        }
    }

    /// <summary>An engine refuses what is longer than its context.</summary>
    public static void Check(int? context, double? input, double? output, string path, Problems problems)
    {
        if (context is { } most && (input ?? 0) + (output ?? 0) is var asked && asked > most)
            problems.Add($"{path}.context", string.Create(CultureInfo.InvariantCulture, $"found {most:N0}, and requests are of {asked:N0} tokens on the mean (tokens); so many or more would do"));
    }

    /// <summary>What any file says of a model's replicas and objective.</summary>
    public static void Check(int? minReplicas, int? maxReplicas, SloDocument? slo, string path, Problems problems)
    {
        if (maxReplicas < minReplicas)
            problems.Add($"{path}.maxReplicas", $"found \"{maxReplicas}\", below minReplicas ({minReplicas})");
        if (slo is { Latency: { } whole, Ttft: { } first } && first > whole)
            problems.Add($"{path}.slo.ttft", $"found {Durations.Show(first)}, above latency ({Durations.Show(whole)}); the first token comes before the last");
    }

    private static void Check(ModelDocument model, string path, Problems problems)
    {
        var remote = model.Source is { } source && IsRemote(source);
        if (model.Source is { } address && address.Contains("://", StringComparison.Ordinal) && Unreadable(address) is { } why)
            problems.Add($"{path}.source", why);
        if (model.Sha256 is not null && !remote)
            problems.Add($"{path}.sha256", "a local source is checked by its own digest; leave it out");
        foreach (var (name, hash) in model.DataSha256 ?? ImmutableSortedDictionary<string, string>.Empty)
        {
            if (!remote) problems.Add($"{path}.dataSha256", "a local source is checked by its own digest; leave it out");
            else if (hash.Length != 64 || !hash.All(char.IsAsciiHexDigit))
                problems.Add($"{path}.dataSha256.{name}", $"found \"{Show.Text(hash)}\"; 64 hexadecimal digits would do");
        }

        if (model.Cache is false && remote)
            problems.Add($"{path}.cache", "found \"false\"; a source behind an address is always fetched into the cache, leave it out");
        Check(model.MinReplicas, model.MaxReplicas, model.Slo, path, problems);
        KnownEvents.Check(model.Events, path, problems);
        BatchProfiles.Check(model.Profile, path, problems);
        if (model.Memory is { LoadPeak: { } peak, Steady: { } steady } && peak < steady)
            problems.Add($"{path}.memory.loadPeak", $"found {peak}, below steady ({steady}); the load's peak is at least what stays");
        if (model.Device is not null && model.Gpus is 0)
            problems.Add($"{path}.device", "a kind of GPU is named and gpus is 0; leave one of them out");
        CheckSleep(model, path, problems);
        if (model.Command.IsEmpty) return;
        if (model.Server is not null)
            problems.Add($"{path}.command", "server is given too; one of the two would do");
        if (model.Context is not null)
            problems.Add($"{path}.context", "a command of your own is given, which takes it as an argument; leave it out here");
        if (model.MemoryFraction is not null)
            problems.Add($"{path}.memoryFraction", "a command of your own is given, which takes it as an argument; leave it out here");
        if (!model.Command.Concat(model.Env?.Values ?? []).Any(text => text.Contains("{port}", StringComparison.Ordinal)))
            problems.Add($"{path}.command", "no argument holds {port}; without it the server cannot know where to listen");
        for (var i = 0; i < model.Command.Length; i++)
        {
            foreach (var unknown in Unknown(model.Command[i]))
            {
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{path}.command[{i}]"),
                    $"found \"{{{unknown}}}\"; {{{string.Join("}, {", Placeholders.SkipLast(1))}}} or {{{Placeholders[^1]}}} would do");
            }
        }
    }

    private static void CheckSleep(ModelDocument model, string path, Problems problems)
    {
        if (model.Sleep is not null && !model.Command.IsEmpty)
            problems.Add($"{path}.sleep", "a command of your own is given; sleepPath and wakePath say how it sleeps");
        if (model.Command.IsEmpty && (model.SleepPath ?? model.WakePath) is not null)
            problems.Add($"{path}.{(model.SleepPath is null ? "wakePath" : "sleepPath")}", "it is for a command of your own; sleep: true would do for vllm");
        else if (model.SleepPath is null != model.WakePath is null)
            problems.Add($"{path}.{(model.SleepPath is null ? "sleepPath" : "wakePath")}", $"missing, and {(model.SleepPath is null ? "wakePath" : "sleepPath")} is given; both would do");
        if ((model.Sleep is true || model.SleepPath is not null) && model.Gpus is 0 || model.SleepPath is not null && model is { Gpus: null, Device: null })
            problems.Add($"{path}.gpus", "the model may sleep and takes no GPU, whose memory that would give back; gpus: 1 would do");
    }

    /// <summary>A source of this machine as a path, relative to the fleet file's folder: "file:///models/m" is one too.</summary>
    public static string PathOf(string source, string folder) => Path.GetFullPath(
        source.Contains("://", StringComparison.Ordinal) && SourceAddress.Parse(source) is SourceAddress.LocalPath local ? local.Path : source, folder);

    // The reader's own sentence, which shows no user and no query.
    private static string? Unreadable(string address)
    {
        try
        {
            return SourceAddress.Parse(address) is not SourceAddress.LocalPath { Path: { } path } || path != address ? null
                : $"found \"{Show.Text(WithoutSecrets(address))}\"; a path, or an address with https://, s3://, gs://, hf:// or pvc://, would do";
        }
        catch (ArtifactException unreadable)
        {
            return Show.Text(unreadable.Message, 400);
        }
    }

    // Before anything is known to be an address: what stands where a user, a query or a fragment would is left out.
    private static string WithoutSecrets(string address)
    {
        var end = address.IndexOfAny(['?', '#']);
        if (end >= 0) address = address[..end];
        var host = address.IndexOf("://", StringComparison.Ordinal) + 3;
        var slash = address.IndexOf('/', host);
        var user = address[..(slash < 0 ? address.Length : slash)].LastIndexOf('@');
        return user < host ? address : address[..host] + address[(user + 1)..];
    }

    /// <summary>Whether a source is behind an address, and so comes through the model cache.</summary>
    public static bool IsRemote(string source) => SourceAddress.IsAddress(source);

    // Only words count: JSON in an argument has braces too, and goes through as it is.
    private static IEnumerable<string> Unknown(string argument)
    {
        for (var open = argument.IndexOf('{'); open >= 0; open = argument.IndexOf('{', open + 1))
        {
            var close = argument.IndexOf('}', open);
            if (close < 0) yield break;
            var word = argument[(open + 1)..close];
            if (word.Length is > 0 and <= 32 && word.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') && !Placeholders.Contains(word))
                yield return word;
        }
    }

    private static void Check(GatewayDocument gateway, Problems problems)
    {
        if (gateway.ApiKey is { } key && key.Env is null == key.File is null)
            problems.Add("gateway.apiKey", "either env or file would do");
        if (gateway.Listen is { } listen && !IPAddress.IsLoopback(listen.Address))
        {
            if (gateway.Tls is null)
                problems.Add("gateway.listen", $"found {listen}, which others can reach; add tls with certificate and key, or listen on 127.0.0.1");
            if (gateway.ApiKey is null)
                problems.Add("gateway.listen", $"found {listen}, which others can reach; add apiKey, or listen on 127.0.0.1");
        }

        if (gateway.AdminListen is { } admin && !IPAddress.IsLoopback(admin.Address))
            problems.Add("gateway.adminListen", $"found {admin}; metrics are for this machine alone, 127.0.0.1 would do");
        if (gateway.Listen is { Port: > 0 } data && data.Equals(gateway.AdminListen))
            problems.Add("gateway.adminListen", $"found {data}, which is listen too; another port would do");
    }

    private static void Check(PlannerDocument planner, Problems problems)
    {
        var defaults = new PlannerSettings();
        var bucket = planner.DemandBucket ?? defaults.DemandBucket;
        var history = planner.DemandHistory ?? defaults.DemandBucket * defaults.DemandBuckets;
        var at = planner.DemandHistory is null ? "planner.demandBucket" : "planner.demandHistory";
        if (history < bucket)
            problems.Add(at, $"a history of {Durations.Show(history)} is shorter than one bucket of {Durations.Show(bucket)}");
        else if (history / bucket > DemandBucketsMax)
            problems.Add(at, $"{Durations.Show(history)} in buckets of {Durations.Show(bucket)} is more than {DemandBucketsMax} buckets");
        if ((planner.CrashBackoffMax ?? defaults.CrashBackoffMax) < (planner.CrashBackoff ?? defaults.CrashBackoff))
            problems.Add(planner.CrashBackoffMax is null ? "planner.crashBackoff" : "planner.crashBackoffMax", "crashBackoffMax is below crashBackoff");
    }
}
