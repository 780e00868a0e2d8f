using System.Collections.Immutable;

namespace Plimsoll.Cli.FleetFiles;

[Means("A training job: a command that runs where and while the models leave it room.")]
public sealed record JobDocument
{
    [Means("Its name.")]
    [Needed("a name")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "letters, digits, '.', '_' and '-', at most 128,")]
    public string? Name { get; init; }

    [Means("Program and arguments, given to it as they are. It goes on from its checkpoint where PLIMSOLL_RESUME is 1, and writes one and ends on SIGTERM.")]
    [Needed("a program with its arguments, such as [python3, train.py],")]
    [Bounds(1, 256)]
    public ImmutableArray<string> Command { get; init; } = [];

    [Means("Folder it runs in. Default: this file's.")]
    [Looks(@"^[^\u0000-\u001f]{1,2048}$", "a path of at most 2048 characters")]
    public string? WorkingFolder { get; init; }

    [Means("Environment variables of the command.")]
    [Bounds(0, 256)]
    public ImmutableSortedDictionary<string, string>? Env { get; init; }

    [Means("Host memory it takes at the most.")]
    [Needed("a size such as 250MB or 6GiB")]
    [Bounds(1, 1e15)]
    public Bytes? Memory { get; init; }

    [Means("GPUs it takes. Default: 0.")]
    [Bounds(0, 64)]
    public int? Devices { get; init; }

    [Means("Memory it takes of each of them at the most; needed with devices.")]
    [Bounds(1, 1e15)]
    public Bytes? DeviceMemory { get; init; }

    [Means("The kind of GPU, as models name it. Default: any.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a name such as l4-24gb")]
    public string? Device { get; init; }

    [Means("Cores that are counted as its own. Default: 0, and it takes what the models leave.")]
    [Bounds(0.01, 1024)]
    public Cores? Cores { get; init; }

    [Means("On one scale with models'; of equals models come first, and must have lost as much by waiting as it loses. Default: -1.")]
    [Bounds(-1000, 1000)]
    public int? Priority { get; init; }

    [Means("False keeps it where it is to its end. Default: true.")]
    public bool? Preemptible { get; init; }

    [Means("Size of the checkpoint that it writes before it gives way. Default: none, and it begins anew each time.")]
    [Bounds(0, 1e15)]
    public Bytes? Checkpoint { get; init; }

    [Means("How long it may take to write that and to end, from SIGTERM on, before it is killed. Default: 5min.")]
    [Bounds(0.1, MachineDocument.StopGraceSecondsMax)]
    public TimeSpan? Grace { get; init; }
}
