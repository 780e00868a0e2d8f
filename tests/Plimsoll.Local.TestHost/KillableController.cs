using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;

namespace Plimsoll.Local.TestHost;

/// <summary>A fleet with one model, "m", whose first replica it starts; says so on its output and waits to be killed.</summary>
internal static class KillableController
{
    public static async Task<int> RunAsync(string state, string name, string[] command)
    {
        try
        {
            await using var fleet = await LocalFleet.OpenAsync(Parts(state, name, command), CancellationToken.None);
            Step start = new Step.Start(
                ReplicaId.Of("m-1"), ModelId.Of("m"), "v1", VariantId.Of("cpu"), new Placement(LocalFleet.Node, []),
                Needs, TimeSpan.FromSeconds(5))
            { Reason = new Reason(Rule.StartForMinimum, []) };
            await fleet.ApplyAsync(new Plan(new InputHashes("", "", ""), [start], [], Knowledge.Empty), CancellationToken.None);
            while (true)
            {
                var snapshot = await fleet.ObserveAsync(CancellationToken.None);
                foreach (var replica in snapshot.Replicas)
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{replica.Id} {replica.State}"));
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            }
        }
        catch (LocalFleetException e)
        {
            Console.WriteLine(e.Message);
            return 1;
        }
    }

    private static readonly ReplicaNeeds Needs = new()
    {
        Host = new MemoryNeed(Bytes.MiB(100), Bytes.MiB(50)),
        Cores = Cores.Of(1),
        Disk = Bytes.Zero,
    };

    private static LocalFleetParts Parts(string state, string name, string[] command) => new()
    {
        Name = name,
        StateFolder = state,
        Node = new LocalNodeOptions { MemoryBudget = Bytes.GiB(1) },
        Launch = (_, _) => new LaunchSpec { Command = [.. command], ModelPath = state },
        Spec = () => new FleetSpec { Models = ImmutableArray<ModelSpec>.Empty },
        Routing = new Routing(_ => { }, _ => [], _ => 0, end => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, end)),
        Log = NullLogger.Instance,
    };
}
