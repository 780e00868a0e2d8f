using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios;

/// <summary>A scenario as written; every default is still a null.</summary>
[Means("A fleet to be simulated: what there is, who asks for what, and what goes wrong.")]
public sealed record ScenarioDocument
{
    [Means("The scenario's name. Default: the file's name without its ending.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "letters, digits, '.', '_' and '-', at most 64,")]
    public string? Name { get; init; }

    [Means("The question it asks, in a sentence.")]
    [Looks(@"^[^\u0000-\u001f]{1,400}$", "a sentence of at most 400 characters")]
    public string? About { get; init; }

    [Means("How long traffic comes.")]
    [Needed("a time such as 1h or 7d")]
    [Bounds(1, 31_536_000)]
    public TimeSpan? Length { get; init; }

    [Means("Nodes that are alike, in groups.")]
    [Needed("a list with at least one group of nodes")]
    [Bounds(1, 1000)]
    public ImmutableArray<NodesDocument> Nodes { get; init; } = [];

    [Means("Who chooses the nodes of Plimsoll's replicas: planner, or kube-scheduler, as where its operator scales. Other autoscalers' are always placed by kube-scheduler. Default: planner.")]
    public PlacedBy? PlacedBy { get; init; }

    [Means("The models, with the traffic of each.")]
    [Needed("a list with at least one model, each with name, runs and traffic,")]
    public ImmutableArray<ScenarioModelDocument> Models { get; init; } = [];

    [Means("How far what happens is from what is predicted; drawn anew with each seed.")]
    public TruthDocument? Truth { get; init; }

    [Means("Jobs of others on the same nodes, training for instance.")]
    [Bounds(0, 1000)]
    public ImmutableArray<OtherJobDocument> Others { get; init; } = [];

    [Means("Training jobs that Plimsoll launches, and has give way; under other autoscalers they are jobs of others.")]
    [Bounds(0, 1000)]
    public ImmutableArray<TrainingDocument> Training { get; init; } = [];

    [Means("What goes wrong.")]
    [Bounds(0, 10_000)]
    public ImmutableArray<FaultDocument> Faults { get; init; } = [];

    [Means("Time scales of planning. The defaults suit most fleets.")]
    public PlannerDocument? Planner { get; init; }
}

/// <summary>Who chooses nodes.</summary>
public enum PlacedBy
{
    Planner,
    KubeScheduler,
}

[Means("Nodes that are alike.")]
public sealed record NodesDocument
{
    [Means("The group's name; its nodes are called after it, NAME-0 and so on.")]
    [Needed("a name such as gpu")]
    [Looks("^[a-z0-9][a-z0-9.-]{0,62}$", "small letters, digits, '.' and '-', at most 63,")]
    public string? Name { get; init; }

    [Means("How many there are. Default: 1.")]
    [Bounds(1, 10_000)]
    public int? Count { get; init; }

    [Means("How many there may be, where more can be asked for; empty ones go again after ten minutes. Default: count.")]
    [Bounds(1, 10_000)]
    public int? Most { get; init; }

    [Means("From asking for a node until it is ready. Default: 3min.")]
    [Bounds(1, 86_400)]
    public TimeSpan? Boot { get; init; }

    [Means("Where their owner takes them back.")]
    public SpotDocument? Spot { get; init; }

    [Means("A machine that a cloud rents (\"p5.48xlarge\"), which says the rest; plimsoll devices --instances lists them.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a name such as p5.48xlarge")]
    public string? Instance { get; init; }

    [Means("The kind of its devices, as plimsoll devices lists it (\"h100-80gb\").")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a name such as l4-24gb")]
    public string? Device { get; init; }

    [Means("Devices of a node. Default: 1 where device is given.")]
    [Bounds(0, 64)]
    public int? Devices { get; init; }

    [Means("Host memory of a node.")]
    [Bounds(1_048_576, 1e15)]
    public Bytes? Memory { get; init; }

    [Means("Cores of a node.")]
    [Bounds(0.01, 4096)]
    public Cores? Cores { get; init; }

    [Means("Room for models on its disk. Default: the instance's local disk, else none.")]
    [Bounds(1_048_576, 1e16)]
    public Bytes? Cache { get; init; }

    [Means("What its disk reads, all loads together. Default: 7GB/s.")]
    [Bounds(1024, 1e13)]
    public BytesPerSecond? Disk { get; init; }

    [Means("What its network brings, all fetches together. Default: the instance's, else 1.25GB/s.")]
    [Bounds(1024, 1e13)]
    public BytesPerSecond? Network { get; init; }

    [Means("Dollars an hour of a whole node. Default: the instance's, else it is owned.")]
    [Bounds(0, 1e6)]
    public UsdPerHour? PricePerHour { get; init; }
}

[Means("Nodes that their owner takes back; where count says how many there are, each is replaced after its boot.")]
public sealed record SpotDocument
{
    [Means("How long one lasts in the mean; drawn for each node from the seed.")]
    [Needed("a time such as 4h")]
    [Bounds(10, 31_536_000)]
    public TimeSpan? Lasts { get; init; }

    [Means("How long before it goes one is told. Default: 2min.")]
    [Bounds(0, 86_400)]
    public TimeSpan? Notice { get; init; }
}

[Means("Somebody else's job. It waits until all its members find room at once, displaces nobody, and begins anew where a node of it is lost.")]
public sealed record OtherJobDocument
{
    [Means("Its name.")]
    [Needed("a name")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "letters, digits, '.', '_' and '-', at most 128,")]
    public string? Name { get; init; }

    [Means("When it comes.")]
    [Needed("a time such as 10min")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? At { get; init; }

    [Means("How long it runs once it has room.")]
    [Needed("a time such as 1h")]
    [Bounds(1, 31_536_000)]
    public TimeSpan? For { get; init; }

    [Means("The group of nodes that it runs on.")]
    [Needed("the name of a group of nodes")]
    [Looks("^[a-z0-9][a-z0-9.-]{0,62}$", "small letters, digits, '.' and '-', at most 63,")]
    public string? On { get; init; }

    [Means("Members, all of which run or none. Default: 1.")]
    [Bounds(1, 10_000)]
    public int? Members { get; init; }

    [Means("Devices of each member. Default: none.")]
    [Bounds(0, 64)]
    public int? Gpus { get; init; }

    [Means("Host memory of each member. Default: none.")]
    [Bounds(0, 1e15)]
    public Bytes? Memory { get; init; }
}

[Means("One model.")]
public sealed record ScenarioModelDocument
{
    [Means("Its name.")]
    [Needed("a name")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "letters, digits, '.', '_' and '-', at most 128,")]
    public string? Name { get; init; }

    [Means("So many models like it, NAME-0 and so on, each with traffic of its own. Default: 1.")]
    [Bounds(1, 10_000)]
    public int? Copies { get; init; }

    [Means("What weighs it: a model file or folder (a config.json alone will do), relative to this file, or an address.")]
    [Looks(@"^[^\u0000-\u001f]{1,2048}$", "a path or an address of at most 2048 characters")]
    public string? Source { get; init; }

    [Means("What its weights take, where there is no source.")]
    [Bounds(1, 1e15)]
    public Bytes? Weights { get; init; }

    [Means("True brings it to a node's disk before it is loaded; else it is on every node. Default: false.")]
    public bool? Cache { get; init; }

    [Means("What requests may take.")]
    public SloDocument? Slo { get; init; }

    [Means("Higher goes first when there is too little. Default: 0.")]
    [Bounds(-1000, 1000)]
    public int? Priority { get; init; }

    [Means("Replicas kept whatever the demand. Default: 0.")]
    [Bounds(0, 1000)]
    public int? MinReplicas { get; init; }

    [Means("Most replicas. Default: 100.")]
    [Bounds(1, 1000)]
    public int? MaxReplicas { get; init; }

    [Means("True lets its servers sleep, weights in their node's memory, where the body that is simulated chooses the nodes. Default: false.")]
    public bool? Sleep { get; init; }

    [Means("Release an idle replica after this long. Default: when that costs less than holding it.")]
    [Bounds(0.001, 31_536_000)]
    public TimeSpan? IdleLimit { get; init; }

    [Means("Ways to run it, in order of preference.")]
    [Needed("a list with at least one way to run it")]
    [Bounds(1, 16)]
    public ImmutableArray<RunsDocument> Runs { get; init; } = [];

    [Means("How long its requests are, of models that generate text.")]
    public ScenarioTokensDocument? Tokens { get; init; }

    [Means("Times at which its demand is known beforehand to differ, as the planner is told.")]
    [Bounds(0, DemandEvent.PerModelMost)]
    public ImmutableArray<ScenarioEventDocument> Events { get; init; } = [];

    [Means("Who asks for it.")]
    [Needed("rate, wave or trace")]
    public TrafficDocument? Traffic { get; init; }
}

[Means("One way to run a model.")]
public sealed record RunsDocument
{
    [Means("The device; left out, it runs on the processor.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a name such as l4-24gb")]
    public string? Device { get; init; }

    [Means("Devices of a replica. Default: 1.")]
    [Bounds(1, 64)]
    public int? Gpus { get; init; }

    [Means("The engine: vllm, sglang, tgi, llama.cpp, triton or plimsoll-model-server. Default: vllm on a device, else plimsoll-model-server.")]
    [Looks("^[a-z0-9][a-z0-9.@-]{0,63}$", "a name such as vllm")]
    public string? Engine { get; init; }

    [Means("Tokens of the longest sequence. Default: what the model was made for.")]
    [Bounds(1, 1_073_741_824)]
    public int? Context { get; init; }

    [Means("Requests a replica works on at once. Default: 64 of text, else 8.")]
    [Bounds(1, 100_000)]
    public int? Concurrency { get; init; }

    [Means("Cores of a replica.")]
    [Bounds(0.01, 1024)]
    public Cores? Cores { get; init; }

    [Means("What a request takes whatever is beside it, of models that answer at once.")]
    [Bounds(0.000_001, 3600)]
    public TimeSpan? Seconds { get; init; }

    [Means("What each request in the replica adds to that. Default: none.")]
    [Bounds(0, 3600)]
    public TimeSpan? SecondsEach { get; init; }

    [Means("In place of both, of models that answer at once: how long batches are computed. Its replicas take all that wait as a batch, up to the largest here, and the planner knows these times.")]
    [Bounds(0, BatchProfile.RowsMost)]
    public ImmutableArray<BatchDocument> Profile { get; init; } = [];
}

[Means("Lengths of made-up requests: lognormal, as conversations are.")]
public sealed record ScenarioTokensDocument
{
    [Means("Tokens of a prompt, on the mean. Default: 1200.")]
    [Bounds(1, 1_000_000)]
    public double? Input { get; init; }

    [Means("Tokens of an answer, on the mean. Default: 220.")]
    [Bounds(1, 1_000_000)]
    public double? Output { get; init; }

    [Means("Standard deviation of their logarithms. Default: 0.9; 0 makes all alike.")]
    [Bounds(0, 3)]
    public double? Spread { get; init; }
}

[Means("Who asks, over time: a rate, a wave or a trace, and crowds on top.")]
public sealed record TrafficDocument
{
    [Means("Requests a second.")]
    [Bounds(0, 1e6)]
    public double? Rate { get; init; }

    [Means("A rate that rises and falls, as days do.")]
    public WaveDocument? Wave { get; init; }

    [Means("A trace's file, relative to this file: Azure's, Mooncake's, ServeGen's rates, seconds,prompt_tokens,answer_tokens, or seconds,requests_per_second.")]
    [Looks(@"^[^\u0000-\u001f]{1,2048}$", "a path of at most 2048 characters")]
    public string? Trace { get; init; }

    [Means("The client of a ServeGen trace. Default: all of them together.")]
    [Bounds(0, 1_000_000)]
    public int? Client { get; init; }

    [Means("Where in the trace to begin. Default: 0s.")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? From { get; init; }

    [Means("So many times the trace's rate. Default: 1.")]
    [Bounds(0.000_001, 1_000_000)]
    public double? Scale { get; init; }

    [Means("Standard deviation of the gaps between made-up requests over their mean: 1 is random (Poisson), more is bursty. Default: 1.")]
    [Bounds(0.1, 20)]
    public double? Burstiness { get; init; }

    [Means("Times at which more come.")]
    [Bounds(0, 1000)]
    public ImmutableArray<CrowdDocument> Crowds { get; init; } = [];
}

[Means("A wave of rates.")]
public sealed record WaveDocument
{
    [Means("Requests a second at the trough. Default: 0.")]
    [Bounds(0, 1e6)]
    public double? Least { get; init; }

    [Means("Requests a second at the peak.")]
    [Needed("a rate such as 4")]
    [Bounds(0, 1e6)]
    public double? Most { get; init; }

    [Means("From trough to trough. Default: 1d.")]
    [Bounds(1, 31_536_000)]
    public TimeSpan? Period { get; init; }

    [Means("When the first trough is. Default: 4h.")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? Trough { get; init; }
}

[Means("A crowd that comes on top of the rest.")]
public sealed record CrowdDocument
{
    [Means("When it comes.")]
    [Needed("a time such as 20min")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? At { get; init; }

    [Means("How long it stays.")]
    [Needed("a time such as 5min")]
    [Bounds(1, 31_536_000)]
    public TimeSpan? For { get; init; }

    [Means("Its requests a second.")]
    [Needed("a rate such as 20")]
    [Bounds(0, 1e6)]
    public double? Rate { get; init; }
}

[Means("Spreads of what is drawn once for each model of a run, as standard deviations of logarithms.")]
public sealed record TruthDocument
{
    [Means("Of step times. Default: 0.2.")]
    [Bounds(0, 2)]
    public double? Pace { get; init; }

    [Means("Of load times. Default: 0.3.")]
    [Bounds(0, 2)]
    public double? Load { get; init; }
}

[Means("Something goes wrong.")]
public sealed record FaultDocument
{
    [Means("When.")]
    [Needed("a time such as 10min")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? At { get; init; }

    [Means("What: node-lost, node-back, node-reclaimed (told two minutes ahead), disk-slow (a tenth), disk-back, replica-dies, load-fails, metrics-lost or metrics-back.")]
    [Needed("one of node-lost, node-back, node-reclaimed, disk-slow, disk-back, replica-dies, load-fails, metrics-lost and metrics-back")]
    public FaultKind? What { get; init; }

    [Means("The node (\"gpu-0\"), or the model, that it strikes.")]
    [Needed("a node such as gpu-0, or a model,")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a node such as gpu-0, or a model's name")]
    public string? Strikes { get; init; }
}
