using System.Numerics;

namespace Plimsoll;

/// <summary>
/// Seconds of steps, from a model or any other function of what a step computes. Steps without prompts, by far the most,
/// are looked up in a table of sequences and context, filled as it is used; the others are asked for.
/// Not for several threads at once.
/// </summary>
public sealed class StepTimes
{
    /// <summary>Contexts at which a row of the table holds a time: 0, then 64 and its doublings up to two million.</summary>
    private const int Knots = 17;
    private const int FirstKnot = 64;

    private readonly Func<StepBatch, double> _seconds;
    private readonly double[]?[] _rows;

    /// <param name="seconds">Positive and finite for every batch; linear in context between doublings of it.</param>
    /// <param name="sequencesMax">The most sequences that will be asked for.</param>
    public StepTimes(Func<StepBatch, double> seconds, int sequencesMax)
    {
        ArgumentNullException.ThrowIfNull(seconds);
        ArgumentOutOfRangeException.ThrowIfNegative(sequencesMax);
        (_seconds, _rows) = (seconds, new double[]?[sequencesMax + 1]);
    }

    public StepTimes(StepModel model, StepCoefficients fitted, int sequencesMax)
        : this(batch => model.Seconds(batch, fitted), sequencesMax)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(fitted);
    }

    /// <summary>The largest number of sequences of <see cref="Decode"/>.</summary>
    public int SequencesMax => _rows.Length - 1;

    /// <summary>Any step.</summary>
    public double Seconds(StepBatch batch) => _seconds(batch);

    /// <summary>A step of so many sequences, each with that much context on the mean, that gives each one more token.</summary>
    public double Decode(int sequences, double context)
    {
        var row = _rows[sequences] ??= Row(sequences);
        if (context < FirstKnot) return row[0] + ((row[1] - row[0]) * (context / FirstKnot));
        var octave = Math.Min(Knots - 3, BitOperations.Log2((uint)Math.Min(context, uint.MaxValue) / FirstKnot));
        double from = FirstKnot << octave;
        return row[octave + 1] + ((row[octave + 2] - row[octave + 1]) * (context - from) / from);
    }

    private double[] Row(int sequences)
    {
        var row = new double[Knots];
        row[0] = _seconds(StepBatch.Decode(sequences, 0));
        for (var i = 1; i < Knots; i++) row[i] = _seconds(StepBatch.Decode(sequences, FirstKnot << (i - 1)));
        return row;
    }
}
