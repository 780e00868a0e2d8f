using Plimsoll.Cli.Load;

namespace Plimsoll.Prediction.Runs;

/// <summary>
/// Step times of one run, fitted on its first requests: the factors of a few coefficients at which the simulation of the
/// whole run misses those requests' times least. What the later requests saw is not looked at.
/// </summary>
internal sealed class RunFit(RecordedRun run, StepModel model, StepCoefficients start, ReplicaLimits limits)
{
    /// <summary>How far a factor is expected to be from 1, as a logarithm: it must earn more.</summary>
    private const double Prior = 1;

    private static readonly StepCoefficient[] Fitted =
    [
        StepCoefficient.Compute16, StepCoefficient.WeightBandwidth, StepCoefficient.AttentionCompute, StepCoefficient.CacheBandwidth,
        StepCoefficient.StepSeconds, StepCoefficient.SequenceSeconds, StepCoefficient.LayerSeconds, StepCoefficient.LinkBandwidth,
        StepCoefficient.RequestSeconds,
    ];

    /// <summary>
    /// The coefficients after an evolution strategy of one parent and one child (Rechenberg 1973): its steps lengthen
    /// where more than one in five helps, and shorten where fewer do. Seeded: the same run gives the same fit.
    /// </summary>
    public StepCoefficients On(int first)
    {
        var random = new SeededRandom(1);
        var parent = new double[Fitted.Length];
        var (best, step) = (Loss(parent, first), 0.2);
        for (var turn = 0; turn < 4000 && step > 1e-4; turn++)
        {
            var child = parent.Select(one => one + (step * random.NextNormal())).ToArray();
            var loss = Loss(child, first);
            if (loss < best) (parent, best, step) = (child, loss, step * 1.5);
            else step /= Math.Pow(1.5, 0.25);
            if (step < 2e-3) step = 0.1;
        }

        return With(parent);
    }

    public RequestLog Simulate(StepCoefficients fitted)
    {
        // A request is tokenised before the engine sees it, and its first token detokenised after: both delay its first token.
        var delay = fitted[StepCoefficient.RequestSeconds];
        var log = new RequestLog([.. run.Arrivals.Select(one => one + delay)], run.Prompts, run.Answers);
        new ReplicaGroup(limits, new StepTimes(model, fitted, limits.Sequences), 1).Run(log);
        return log;
    }

    public double Ttft(RequestLog log, int request) => log.FirstTokens[request] - run.Arrivals[request];

    public double EndToEnd(RequestLog log, int request) => log.Ends[request] - run.Arrivals[request];

    private double Loss(double[] logs, int first)
    {
        var log = Simulate(With(logs));
        double sum = 0;
        for (var i = 0; i < first; i++)
        {
            sum += Missed(Ttft(log, i), run.Ttft[i]) + Missed(log.Tpot(i), run.Tpot[i]) + Missed(EndToEnd(log, i), run.EndToEnd[i]);
        }

        return (sum / first) + (0.01 * logs.Sum(one => one * one / (Prior * Prior)));
    }

    /// <summary>The error's logarithm without its sign, bounded: a cold start's must not outweigh the others'.</summary>
    private static double Missed(double simulated, double measured) => Math.Min(0.5, Math.Abs(Math.Log(simulated / measured)));

    private StepCoefficients With(double[] logs)
    {
        var values = Enum.GetValues<StepCoefficient>().Select(one => start[one]).ToArray();
        for (var i = 0; i < logs.Length; i++) values[(int)Fitted[i]] *= Math.Exp(logs[i]);
        return new StepCoefficients([.. values]);
    }
}
