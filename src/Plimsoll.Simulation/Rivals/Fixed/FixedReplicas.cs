namespace Plimsoll.Simulation.Rivals.Fixed;

/// <summary>No autoscaler at all: a number that somebody once chose.</summary>
public sealed record FixedSettings(int Replicas);

public static class FixedReplicas
{
    public static int Decide(FixedSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.Replicas;
    }
}
