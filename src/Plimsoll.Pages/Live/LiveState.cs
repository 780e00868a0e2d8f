using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Pages.Live;

/// <summary>
/// A fleet as the page shows it, in JSON. Bounded whatever the fleet's size: a page of models, some nodes, the newest decisions.
/// What is not known is left out and never zero.
/// </summary>
public sealed record LiveState
{
    public required string Fleet { get; init; }

    /// <summary>What cannot be done or seen at the moment, in a sentence.</summary>
    public string? Trouble { get; init; }

    /// <summary>When this was made, by the same clock as <see cref="At"/>.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>The last turn of the control loop; null, as is all below, before there is one.</summary>
    public long? Tick { get; init; }

    /// <summary>When the fleet was last looked at.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>"observe", "recommend" or "act".</summary>
    public string? Mode { get; init; }

    public LiveTotals? Totals { get; init; }

    /// <summary>All nodes' memory, a row for each kind: the machines' own, then devices by kind.</summary>
    public ImmutableArray<LiveMemory> Memory { get; init; } = [];

    /// <summary>The fullest nodes.</summary>
    public ImmutableArray<LiveNode> Nodes { get; init; } = [];

    /// <summary>Nodes there are; more than are listed where they are many.</summary>
    public int NodeCount { get; init; }

    public LiveModels? Models { get; init; }

    /// <summary>What was done, proposed or ended, the newest first.</summary>
    public ImmutableArray<LiveDecision> Decisions { get; init; } = [];

    /// <summary>Arrivals, forecast and replicas over the last ten minutes, of the model in full or else of all: an SVG element.</summary>
    public string? Plot { get; init; }

    /// <summary>The model that was asked for by name; null where none was, or there is none of that name.</summary>
    public LiveDetail? Detail { get; init; }

    /// <summary>UTF-8, on one line.</summary>
    public byte[] Json() => JsonSerializer.SerializeToUtf8Bytes(this, LiveJson.Default.LiveState);
}

/// <summary>All models together.</summary>
/// <param name="Models">How many there are.</param>
/// <param name="Serving">Models with a replica that is ready.</param>
/// <param name="Loading">Models with a replica that loads, or whose weights are fetched.</param>
/// <param name="Wanting">Models that want more replicas than are ready.</param>
/// <param name="Refused">Models that no node could ever hold.</param>
/// <param name="Ready">Replicas that are ready.</param>
/// <param name="HeldNow">Requests that wait for a replica.</param>
/// <param name="WeightBytes">Weights, of each model once.</param>
/// <param name="DemandPerSecond">Requests a second; null while no model's are counted.</param>
/// <param name="ForecastPerSecond">What is planned for, summed.</param>
public sealed record LiveTotals(
    int Models, int Serving, int Loading, int Wanting, int Refused, int Ready, int HeldNow, long WeightBytes, double? DemandPerSecond,
    double? ForecastPerSecond);

/// <summary>Memory of one kind, against what may be used of it.</summary>
/// <param name="Kind">"host memory" or a device's kind.</param>
/// <param name="Count">Machines or devices.</param>
/// <param name="BudgetBytes">What Plimsoll may use at the most.</param>
/// <param name="UsedBytes">What its replicas hold: measured where it was, else what they are charged.</param>
/// <param name="Charged">Replicas that were not measured.</param>
/// <param name="ForeignBytes">What others hold, as far as it is known.</param>
/// <param name="Parts">Who holds it, the most first; the last may stand for several.</param>
public sealed record LiveMemory(
    string Kind, int Count, long BudgetBytes, long UsedBytes, int Charged, long ForeignBytes, ImmutableArray<LivePart> Parts);

/// <param name="Name">The model, or "7 others".</param>
/// <param name="Bytes">What it holds.</param>
public sealed record LivePart(string Name, long Bytes);

/// <param name="Node">Its name.</param>
/// <param name="Condition">"ready", "booting", "draining" or "unreachable".</param>
/// <param name="Memory">Its own memory and its devices', by kind.</param>
public sealed record LiveNode(string Node, string Condition, ImmutableArray<LiveMemory> Memory);

/// <summary>A page of models.</summary>
/// <param name="Matching">Models that match the search.</param>
/// <param name="From">Models before this page.</param>
/// <param name="Rows">At most <see cref="LiveQuery.PageSize"/>.</param>
public sealed record LiveModels(int Matching, int From, ImmutableArray<LiveModel> Rows);

/// <summary>One model.</summary>
public sealed record LiveModel
{
    public required string Model { get; init; }

    public required long WeightBytes { get; init; }

    /// <summary>See <see cref="SnapshotIndex.Tier"/>.</summary>
    public required string Tier { get; init; }

    /// <summary>How much of a fetch has come, 0 to 1.</summary>
    public double? Fetched { get; init; }

    public required int Ready { get; init; }

    public required int Loading { get; init; }

    public required int Asleep { get; init; }

    /// <summary>Draining, drained or told to end.</summary>
    public required int Ending { get; init; }

    public required int Wanted { get; init; }

    public double? DemandPerSecond { get; init; }

    /// <summary>Whether that is the last that was counted, and nothing newer is known.</summary>
    public bool DemandStale { get; init; }

    public double? ForecastPerSecond { get; init; }

    public required int HeldNow { get; init; }

    /// <summary>Host and device memory of its replicas: measured where it was, else what they are charged.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Whether some of that is charged and not measured.</summary>
    public bool MemoryCharged { get; init; }

    public required bool Refused { get; init; }

    public required string Rule { get; init; }

    public required string Reason { get; init; }
}

/// <summary>One model in full, as <c>plimsoll explain</c> tells it.</summary>
/// <param name="Model">Its row.</param>
/// <param name="Facts">Name and sentence, in reading order.</param>
/// <param name="Replicas">Its replicas, 50 at most.</param>
/// <param name="Next">Steps of the plan that are about it, those not yet begun included.</param>
public sealed record LiveDetail(
    LiveModel Model, ImmutableArray<LiveFact> Facts, ImmutableArray<LiveReplica> Replicas, ImmutableArray<LiveDecision> Next);

public sealed record LiveFact(string Name, string Text);

/// <param name="Id">The replica.</param>
/// <param name="State">"loading", "ready", "draining", "drained", "stopping" or "asleep".</param>
/// <param name="Since">Since when.</param>
/// <param name="Place">Node and devices; empty while it has none.</param>
/// <param name="Outstanding">Requests in it.</param>
/// <param name="MemoryBytes">Measured; null where it was not.</param>
public sealed record LiveReplica(string Id, string State, DateTimeOffset Since, string Place, int Outstanding, long? MemoryBytes);

/// <param name="At">When.</param>
/// <param name="Model">Of which model.</param>
/// <param name="What">What was done, is proposed, or ended.</param>
/// <param name="Why">The reason of a step.</param>
public sealed record LiveDecision(DateTimeOffset At, string? Model, string What, string? Why);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LiveState))]
internal sealed partial class LiveJson : JsonSerializerContext;
