namespace Plimsoll.Simulation.Rivals;

/// <summary>
/// From a computed number to a count. Rivals written in Go, Python and Java differ in what they make of a number no integer holds;
/// here the nearest count stands for it and 0 for what is no number, so that a wild metric never ends a simulation.
/// </summary>
public static class WholeReplicas
{
    public static int Ceiling(double value) => Truncate(Math.Ceiling(value));

    public static int Floor(double value) => Truncate(Math.Floor(value));

    /// <summary>Towards zero.</summary>
    public static int Truncate(double value) => value switch
    {
        double.NaN => 0,
        >= int.MaxValue => int.MaxValue,
        <= int.MinValue => int.MinValue,
        _ => (int)value,
    };
}
