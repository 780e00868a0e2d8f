namespace Plimsoll;

/// <summary>
/// Seconds by the sequences that a step has: tabulated at a curve's sizes, linear between, and corrected by a factor that
/// goes from one size's to another's. Infinite where more arrives than such steps take.
/// </summary>
internal sealed class SecondsBySize(ServiceCurve curve, double[] seconds)
{
    private double _from;
    private double _perSequence;
    private double _here = 1;
    private double _there = 1;

    /// <summary>From now on so many times as long at one size, and so many at a larger one and beyond.</summary>
    public void Correct(double usual, double here, double most, double there) =>
        (_from, _perSequence, _here, _there) = (usual, 1 / Math.Max(1e-9, most - usual), here, there);

    public double Of(double sequences) => Of(curve.Place(sequences), sequences);

    public double Of(CurvePlace place, double sequences)
    {
        var (low, high) = (seconds[place.At], seconds[place.At + 1]);
        var mean = double.IsInfinity(high) ? place.Part > 0 ? double.PositiveInfinity : low : low + (place.Part * (high - low));
        return mean * (_here + ((_there - _here) * Math.Clamp((sequences - _from) * _perSequence, 0, 1)));
    }
}
