using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Packing;

namespace Plimsoll.Cli.Packing;

/// <summary>The command <c>plimsoll pack</c>: placement alone, on node and pod lists in the openb format.</summary>
public static class PackCommand
{
    /// <summary>The first of the seeds that FGD's authors used; ours begin there too.</summary>
    private const int FirstSeed = 42;

    private const int MostSeeds = 1000;

    private const string Thousandths = "thousandths";

    private const string Bytes = "bytes";

    private static readonly ImmutableArray<(string Name, PackingPolicy Policy)> Policies =
    [
        ("random", PackingPolicy.Random), ("dotprod", PackingPolicy.DotProd), ("gpu-clustering", PackingPolicy.GpuClustering),
        ("gpu-packing", PackingPolicy.GpuPacking), ("best-fit", PackingPolicy.BestFit), ("fgd", PackingPolicy.Fgd), ("plimsoll", PackingPolicy.Plimsoll),
    ];

    public static Command Create()
    {
        var nodes = new Option<string>("--nodes") { Description = "The node list: sn, cpu_milli, memory_mib, gpu, model", HelpName = "CSV", Required = true };
        var pods = new Option<string>("--pods") { Description = "The pod list: name, cpu_milli, memory_mib, num_gpu, gpu_milli and gpu_spec", HelpName = "CSV", Required = true };
        var policy = new Option<string>("--policy")
        {
            Description = $"{string.Join(", ", Policies.Select(one => one.Name))}, or all of them",
            HelpName = "NAME",
            Required = true,
        };
        var seeds = new Option<int>("--seeds") { Description = $"Runs, each with draws of its own, seeds {FirstSeed} and up (default 10)", DefaultValueFactory = _ => 10 };
        var exact = new Option<bool>("--exact-draws") { Description = "Draw as the published experiment did, with Go's generator" };
        var by = new Option<string>("--by") { Description = "Pack thousandths of devices, or bytes of device memory (default thousandths)", HelpName = "UNIT", DefaultValueFactory = _ => Thousandths };
        var json = StatusCommand.JsonOption();
        var command = new Command("pack", "Pack a list of pods onto a list of nodes and say how much of the devices is in use")
        {
            nodes, pods, policy, seeds, exact, by, json,
        };
        command.SetAction((parsed, cancellationToken) => Task.FromResult(Run(
            Meant(parsed.GetValue(policy)!), parsed.GetValue(policy) == "all", parsed.GetValue(nodes)!, parsed.GetValue(pods)!, InBytes(parsed.GetValue(by)!),
            Bounded(parsed.GetValue(seeds)), parsed.GetValue(exact), parsed.GetValue(json), parsed.InvocationConfiguration.Output, cancellationToken)));
        return command;
    }

    private static int Run(
        ImmutableArray<(string Name, PackingPolicy Policy)> policies, bool all, string nodes, string pods, bool bytes,
        int seeds, bool exact, bool json, TextWriter output, CancellationToken cancellationToken)
    {
        var workload = Read(nodes, pods, bytes);
        var typical = TypicalPods.Of(workload.Pods);
        var readings = new PackingReading[policies.Length][];
        for (var i = 0; i < policies.Length; i++) readings[i] = new PackingReading[seeds];
        try
        {
            // Of each seed the arrivals are drawn once, for all policies.
            Parallel.For(0, seeds, new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount }, run =>
            {
                var seed = FirstSeed + run;
                var arrivals = exact ? Arrivals.Exact(workload, seed) : Arrivals.Own(workload, seed);
                for (var i = 0; i < policies.Length; i++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    readings[i][run] = PackingRun.Of(workload, typical, policies[i].Policy, arrivals, seed);
                }
            });
        }
        catch (AggregateException several) when (several.InnerExceptions[0] is InvalidDataException endless)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(pods, 200)}: {endless.Message}; pods that ask for more of them, or fewer nodes, would do");
        }

        ImmutableArray<PackListing> listings = [.. policies.Select((one, i) => PackListing.Of(one.Name, bytes ? Bytes : Thousandths, exact, readings[i]))];
        if (json && all) output.WriteLine(JsonSerializer.Serialize(listings, CommandJson.Default.ImmutableArrayPackListing));
        else if (json) output.WriteLine(JsonSerializer.Serialize(listings[0], CommandJson.Default.PackListing));
        else Write(workload, listings, exact, output);
        return ExitCode.Ok;
    }

    private static ImmutableArray<(string Name, PackingPolicy Policy)> Meant(string wanted)
    {
        if (wanted == "all") return Policies;
        ImmutableArray<(string Name, PackingPolicy Policy)> found = [.. Policies.Where(one => one.Name == wanted)];
        return found.IsEmpty
            ? throw new CommandException(ExitCode.BadInput, $"--policy is '{Show.Text(wanted)}'; {string.Join(", ", Policies.Select(one => one.Name))} or all would do")
            : found;
    }

    private static PackingWorkload Read(string nodes, string pods, bool bytes)
    {
        var workload = OpenbFiles.Read(nodes, pods);
        try
        {
            return bytes ? DeviceBytes.Of(workload, DeviceCatalogue.BuiltIn) : workload;
        }
        catch (InvalidDataException unknown)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(nodes, 200)}: {Show.Text(unknown.Message, 400)}");
        }
    }

    private static bool InBytes(string by) => by is Thousandths or Bytes ? by == Bytes
        : throw new CommandException(ExitCode.BadInput, $"--by is '{Show.Text(by)}'; {Thousandths} or {Bytes} would do");

    private static int Bounded(int seeds) => seeds is >= 1 and <= MostSeeds ? seeds
        : throw new CommandException(ExitCode.BadInput, $"--seeds is {seeds}; 1 to {MostSeeds} would do");

    private static void Write(PackingWorkload workload, ImmutableArray<PackListing> listings, bool exact, TextWriter output)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{workload.Nodes.Length:N0} nodes with {workload.Nodes.Sum(node => (long)node.Devices):N0} devices, {workload.Pods.Length:N0} pods, {listings[0].Seeds} seeds, {(exact ? "the published draws" : "draws of our own")}"));
        output.WriteLine("policy           allocated       least to most    at the end    fragmented");
        foreach (var one in listings)
        {
            var allocated = one.AllocationPercent is { } mean ? string.Create(CultureInfo.InvariantCulture, $"{mean,9:0.00} % {one.LeastPercent,9:0.00} to {one.MostPercent:0.00}")
                : $"{"-",9}   {"-",9}         ";
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{one.Policy,-14} {allocated} {one.EndAllocationPercent,11:0.00} % {one.FragmentationPercent,11:0.00} %"));
        }

        if (listings.Any(one => one.AllocationPercent is null)) output.WriteLine("-: no pod arrived while 99.5 to 100.5 % were asked for, where it is read");
        output.WriteLine($"allocated, fragmented: of {(listings[0].By == Bytes ? "all devices' bytes" : "all devices")}, once 100 % of them were asked for");
    }
}
