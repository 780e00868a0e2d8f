namespace Plimsoll.Prediction.Loads;

/// <summary>One published time and the stages that should say it.</summary>
internal sealed record PriorCase(string Row, string What, bool Calibration, double Measured, LoadPath Path)
{
    public LoadEstimate Said { get; } = Path.Estimate();

    /// <summary>Said over measured, or the other way round, whichever is above one.</summary>
    public double Factor => Math.Exp(Math.Abs(Math.Log(Said.Median.TotalSeconds / Measured)));

    public bool Covered => Measured <= Said.P90.TotalSeconds;
}
