namespace Plimsoll;

/// <summary>
/// Decayed sums of the regression l = a + b·n: the time a request spends in a replica, in seconds, against the number
/// of requests in the replica when it was sent there, itself included.
/// </summary>
public sealed record ServiceFit(
    double Weight, double SumN, double SumL, double SumNN, double SumNL, double LargestN)
{
    public static readonly ServiceFit None = new(0, 0, 0, 0, 0, 0);
}
