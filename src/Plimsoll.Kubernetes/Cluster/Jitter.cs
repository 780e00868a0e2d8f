using System.Security.Cryptography;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>Spreads what many clients would do at the same moment. Only pauses depend on it, never a decision.</summary>
internal static class Jitter
{
    /// <summary>The time, more or less by up to the part.</summary>
    public static TimeSpan Around(TimeSpan time, double part) => time * (1 + (part * ((RandomNumberGenerator.GetInt32(2001) / 1000.0) - 1)));

    /// <summary>The time at least, and up to the part more.</summary>
    public static TimeSpan After(TimeSpan time, double part) => time * (1 + (part * (RandomNumberGenerator.GetInt32(1001) / 1000.0)));
}
