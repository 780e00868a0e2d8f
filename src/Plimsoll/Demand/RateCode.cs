namespace Plimsoll;

/// <summary>
/// A rate in sixteen bits: steps of 0.05 % from a request in a day to a thousand million a second, nothing at all
/// apart. Ten thousand forecasts keep their past in it.
/// </summary>
internal static class RateCode
{
    /// <summary>What is not known; no rate.</summary>
    public const ushort Unknown = 0;

    // Codes are even far below a request in a day, and even in the log above it: log(1 + rate / least).
    private const double Least = 1e-5;
    private const double PerNat = 2000;

    /// <summary>The code of a rate; of a negative one, unknown. A higher rate never has a lower code.</summary>
    public static ushort Of(double ratePerSecond) => !(ratePerSecond >= 0) ? Unknown
        : (ushort)Math.Min(ushort.MaxValue, 1 + Math.Round(PerNat * Math.Log(1 + (ratePerSecond / Least))));

    /// <summary>Arrivals a second; -1 of what is unknown.</summary>
    public static double Rate(ushort code) => code == Unknown ? -1 : Least * (Math.Exp((code - 1) / PerNat) - 1);
}
