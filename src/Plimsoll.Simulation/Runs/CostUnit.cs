using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs;

/// <summary>What a fleet is paid for by; one and the same for whoever is tuned, compared or bounded in a world.</summary>
public enum CostUnit
{
    /// <summary>Hours that devices are held, where nothing has a price.</summary>
    DeviceHours,

    /// <summary>Of what replicas hold of nodes that are there anyway.</summary>
    Dollars,

    /// <summary>Of whole nodes, where they come and go.</summary>
    NodeDollars,
}

/// <summary>Which one it is of a world.</summary>
public static class CostUnits
{
    public static CostUnit Of(World world)
    {
        ArgumentNullException.ThrowIfNull(world);
        return world.Nodes.All(group => group.PricePerHour is null) ? CostUnit.DeviceHours
            : world.Nodes.Any(group => group.IsElastic) ? CostUnit.NodeDollars : CostUnit.Dollars;
    }

    /// <summary>As JSON has it.</summary>
    public static string Word(this CostUnit unit) => unit switch { CostUnit.NodeDollars => "nodeDollars", CostUnit.Dollars => "dollars", _ => "deviceHours" };
}
