namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>
/// One replica's prompts. Those that wait are computed together in the next steps that are put together; while they are, its
/// sequences go on slower, which is counted in tokens that each of them falls behind.
/// </summary>
internal sealed class PromptLane
{
    private double _starts = double.NegativeInfinity;
    private double _tokens;
    private double _fellBehind;
    private double _behindBefore;

    /// <summary>Requests in the replica.</summary>
    public int InFlight { get; set; }

    /// <summary>Tokens that a sequence here has fallen behind since the beginning.</summary>
    public double Behind { get; private set; }

    /// <summary>How often prompts were computed together; the last time's number.</summary>
    public int Batch { get; private set; }

    /// <summary>When the last of its prompts is computed.</summary>
    public double BusyUntil { get; private set; } = double.NegativeInfinity;

    /// <summary>A prompt comes.</summary>
    /// <param name="tokens">Of it.</param>
    /// <param name="weight">Prompts that come here with it, itself included, where lanes stand for several.</param>
    /// <param name="now">Seconds of the run.</param>
    /// <param name="stepSeconds">Of a step without prompts; 0 where no sequence runs.</param>
    /// <param name="pause">Steps from the arrival to the first that it can be in.</param>
    /// <param name="seconds">Of prompts together, and in how many steps.</param>
    /// <returns>When it is computed.</returns>
    public double Add(int tokens, double weight, double now, double stepSeconds, (double Idle, double Busy) pause, Func<double, (double Seconds, int Steps)> seconds)
    {
        if (now >= _starts)
        {
            _starts = now >= BusyUntil ? now + (pause.Idle * stepSeconds) : BusyUntil + (pause.Busy * stepSeconds);
            (_tokens, _fellBehind, _behindBefore) = (0, 0, Behind);
            Batch++;
        }

        _tokens += tokens * weight;
        var (took, steps) = seconds(Math.Max(tokens, _tokens));
        BusyUntil = Math.Max(BusyUntil, _starts + took);
        if (stepSeconds > 0)
        {
            var behind = Math.Max(_fellBehind, (took / stepSeconds) - steps);
            Behind += behind - _fellBehind;
            _fellBehind = behind;
        }

        return _starts + took;
    }

    /// <summary>What sequences had fallen behind when those of a batch began: later batches slow them, their own does not.</summary>
    public double BehindAfter(int batch) => batch == Batch ? Behind : _behindBefore;
}
