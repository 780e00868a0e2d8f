namespace Plimsoll.Cli.Demo;

/// <summary>
/// What a machine without a GPU can carry, by a stated assumption and not by a measurement: both policies, and every
/// run with the same seed, must see the same requests.
/// </summary>
/// <param name="GigaflopsPerCore">Assumed of a core in single precision, well below what most reach.</param>
/// <param name="Utilisation">Share of a replica's cores that the kept requests may use on average.</param>
public sealed record MachineSpeed(double GigaflopsPerCore, double Utilisation)
{
    public static readonly MachineSpeed Assumed = new(20, 0.3);

    // A sample model's transformer blocks hold a sixth of its weights; the embedding table is only looked up.
    private const double ComputedShare = 1.0 / 6;

    /// <summary>How much a stream must be thinned: a request computes 2 FLOP per computed parameter and token.</summary>
    /// <param name="model">The model it goes to.</param>
    /// <param name="perSecond">Requests a second, after the speed-up.</param>
    /// <param name="sequenceLength">Tokens per request.</param>
    public int KeepOneIn(DemoModel model, double perSecond, int sequenceLength)
    {
        var carried = Utilisation / Seconds(model, sequenceLength);
        return (int)Math.Clamp(Math.Ceiling(perSecond / carried), 1, 1_000_000);
    }

    /// <summary>What all cores of a replica take for a request.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sequenceLength">Its tokens.</param>
    public double Seconds(DemoModel model, double sequenceLength)
    {
        ArgumentNullException.ThrowIfNull(model);
        return 2 * (ComputedBytes(model) / 4) * sequenceLength / (GigaflopsPerCore * 1e9 * model.Cores.Count);
    }

    /// <summary>Bytes of those weights that a request computes with, four a parameter.</summary>
    /// <param name="model">The model.</param>
    public static double ComputedBytes(DemoModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.WeightBytes * ComputedShare;
    }
}
