using System.Text.Json.Serialization;

namespace Plimsoll.Local.Processes;

/// <summary>
/// What is on disk about a replica, written before it is started and at each change, so that a controller that was
/// killed finds it again. It holds all that is needed to go on without the fleet file, which may have been edited.
/// </summary>
public sealed record ReplicaRecord
{
    public required ReplicaId Replica { get; init; }

    public required ModelId Model { get; init; }

    public required string Version { get; init; }

    public required VariantId Variant { get; init; }

    public required Placement Placement { get; init; }

    public required ReplicaNeeds Needs { get; init; }

    public required TimeSpan ExpectedLoad { get; init; }

    /// <summary>Bytes of weights it reads, as known at its start.</summary>
    public Bytes Weights { get; init; }

    public int Concurrency { get; init; }

    public required string Token { get; init; }

    public required int Port { get; init; }

    /// <summary>Null until it was spawned.</summary>
    public ProcessIdentity? Process { get; init; }

    public required string BootId { get; init; }

    public required string LogFile { get; init; }

    /// <summary>Folder of its memory cgroup; null when it has none.</summary>
    public string? Cgroup { get; init; }

    public int CgroupVersion { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required ReplicaState State { get; init; }

    public required DateTimeOffset StateSince { get; init; }

    /// <summary>The highest memory up to ready; null before, and when nobody saw it become ready.</summary>
    public Bytes? LoadPeak { get; init; }

    /// <summary>True when the memory marks begin at ready.</summary>
    public bool HighWaterWasReset { get; init; }

    public required string ReadyPath { get; init; }

    public string? MetricsPath { get; init; }

    public string? SleepPath { get; init; }

    public string? WakePath { get; init; }

    /// <summary>True when its artefact lies in the model cache and is pinned there.</summary>
    public bool Cached { get; init; }

    [JsonIgnore]
    internal MemoryCgroup? MemoryCgroup => Cgroup is null ? null : new MemoryCgroup(Cgroup, CgroupVersion);

    [JsonIgnore]
    public Uri Address => new($"http://127.0.0.1:{Port}");
}

/// <summary>The JSON of what the local fleet keeps on disk.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    WriteIndented = true)]
[JsonSerializable(typeof(ReplicaRecord))]
[JsonSerializable(typeof(JobRecord))]
[JsonSerializable(typeof(DetectedBudget))]
internal sealed partial class LocalJson : JsonSerializerContext;

/// <summary>The memory budget found when the fleet started with no replica running; kept, so that a restart beside them changes nothing.</summary>
internal sealed record DetectedBudget(string BootId, Bytes HostMemory, Bytes Budget);

/// <summary>Writes a file whole or not at all.</summary>
internal static class AtomicFile
{
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var beside = path + ".new";
        using (var file = new FileStream(beside, FileMode.Create, FileAccess.Write, FileShare.None, 0))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(beside, path, overwrite: true);
    }
}
