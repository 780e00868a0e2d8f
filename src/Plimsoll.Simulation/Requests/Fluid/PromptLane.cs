namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>
/// One replica's prompts. Those that wait are computed together in the next steps that are put together; while they are, its
/// sequences go on slower, which is counted in tokens that each of them falls behind. Times are seconds of the run.
/// </summary>
internal sealed class PromptLane(PromptSteps prompts)
{
    private Together _now = new(double.NegativeInfinity, 0, 0, 0);
    private Together _before = new(double.NegativeInfinity, 0, 0, 0);
    private double _busyUntil = double.NegativeInfinity;
    private double _fellBehind;
    private double _behindBefore;

    /// <summary>Requests in the replica.</summary>
    public int InFlight { get; set; }

    /// <summary>How many times as long as alone its prompts take.</summary>
    public double Slowdown { get; set; } = 1;

    /// <summary>Tokens that a sequence here has fallen behind since the beginning.</summary>
    public double Behind { get; private set; }

    /// <summary>How often prompts were computed together; the last time's number.</summary>
    public int Batch { get; private set; }

    /// <summary>Tokens of prompts that are computed together the last time.</summary>
    public double Tokens => _now.Tokens;

    /// <summary>A prompt comes.</summary>
    /// <param name="tokens">Of it and those that come here with it, where lanes stand for several replicas; no less than its own.</param>
    /// <param name="now">When.</param>
    /// <param name="beside">Sequences beside it.</param>
    /// <param name="context">Of each.</param>
    /// <param name="stepSeconds">Of a step without prompts; 0 where no sequence runs.</param>
    /// <param name="pause">Steps from the arrival to the first that it can be in.</param>
    public void Add(double tokens, double now, double beside, double context, double stepSeconds, (double Idle, double Busy) pause)
    {
        if (now >= _now.Starts)
        {
            var starts = now >= _busyUntil ? now + (pause.Idle * stepSeconds) : _busyUntil + (pause.Busy * stepSeconds);
            (_before, _now) = (_now, new Together(starts, 0, beside, context));
            (_fellBehind, _behindBefore) = (0, Behind);
            Batch++;
        }

        _now = _now with { Tokens = _now.Tokens + tokens };
        var (took, steps) = prompts.Of(_now.Tokens, _now.Beside, _now.Context);
        took *= Slowdown;
        _busyUntil = _now.Starts + took;
        if (stepSeconds <= 0) return;
        var behind = Math.Max(_fellBehind, (took / stepSeconds) - steps);
        Behind += behind - _fellBehind;
        _fellBehind = behind;
    }

    /// <summary>When the step ends that computes the last of so many tokens, as far as is known: others may still come into it.</summary>
    /// <param name="batch">With which they are computed.</param>
    /// <param name="tokens">Of that batch.</param>
    public double EndOf(int batch, double tokens)
    {
        if (batch != Batch && batch != Batch - 1) return double.NegativeInfinity;
        var together = batch == Batch ? _now : _before;
        var budget = prompts.Budget(together.Beside);
        var until = Math.Min(together.Tokens, Math.Ceiling((tokens - 0.5) / budget) * budget);
        return together.Starts + (prompts.Of(Math.Max(tokens, until), together.Beside, together.Context).Seconds * Slowdown);
    }

    /// <summary>What sequences had fallen behind when those of a batch began: later batches slow them, their own does not.</summary>
    public double BehindAfter(int batch) => batch == Batch ? Behind : _behindBefore;

    private readonly record struct Together(double Starts, double Tokens, double Beside, double Context);
}
