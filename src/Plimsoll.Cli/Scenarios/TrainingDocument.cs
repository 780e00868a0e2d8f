using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Scenarios;

[Means("A training job: members that run all or none, and a checkpoint that it goes on from.")]
public sealed record TrainingDocument
{
    [Means("Its name.")]
    [Needed("a name")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "letters, digits, '.', '_' and '-', at most 128,")]
    public string? Name { get; init; }

    [Means("When it is submitted. Default: 0s.")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? At { get; init; }

    [Means("How long all of it trains, breaks not counted.")]
    [Needed("a time such as 6h")]
    [Bounds(1, 31_536_000)]
    public TimeSpan? Work { get; init; }

    [Means("The group of nodes that it runs on.")]
    [Needed("the name of a group of nodes")]
    [Looks("^[a-z0-9][a-z0-9.-]{0,62}$", "small letters, digits, '.' and '-', at most 63,")]
    public string? On { get; init; }

    [Means("Members, all of which run or none. Default: as many nodes as its devices fill, where source says how many it takes; else 1.")]
    [Bounds(1, 10_000)]
    public int? Members { get; init; }

    [Means("Devices of each member. Default: as many as source says it takes; else none.")]
    [Bounds(0, 64)]
    public int? Gpus { get; init; }

    [Means("Host memory of each member. Default: as source says; else none.")]
    [Bounds(0, 1e15)]
    public Bytes? Memory { get; init; }

    [Means("What it writes before it gives way, all members together. Default: as source says; else none, and it begins anew each time.")]
    [Bounds(0, 1e15)]
    public Bytes? Checkpoint { get; init; }

    [Means("What is trained: a model file or folder (a config.json alone will do), relative to this file, or an address. Says what the rest leaves out.")]
    [Looks(@"^[^\u0000-\u001f]{1,2048}$", "a path or an address of at most 2048 characters")]
    public string? Source { get; init; }

    [Means("Which weights of source learn: full, lora or qlora. Default: full.")]
    public TrainingMethod? Method { get; init; }

    [Means("Tokens of one sequence, with source. Default: 2048.")]
    [Bounds(1, 134_217_728)]
    public int? Sequence { get; init; }

    [Means("Sequences of one micro-batch, with source. Default: 1.")]
    [Bounds(1, 65_536)]
    public int? MicroBatch { get; init; }

    [Means("On one scale with models'; of equals models come first, and must have lost as much by waiting as it loses. Default: -1.")]
    [Bounds(-1000, 1000)]
    public int? Priority { get; init; }

    [Means("False keeps it where it is to its end. Default: true.")]
    public bool? Preemptible { get; init; }
}
