namespace Plimsoll.Simulation.Traces;

/// <summary>
/// Requests in the order of their arrival: columns of arrays, so that a million of them are a few blocks of memory.
/// </summary>
public sealed class RequestTrace
{
    /// <param name="arrivals">Seconds since the trace's beginning, in order.</param>
    /// <param name="prompts">Tokens of each prompt, at least 1.</param>
    /// <param name="answers">Tokens of each answer, at least 1.</param>
    /// <param name="length">Seconds the trace lasts, no less than its last arrival: it may end in silence.</param>
    /// <exception cref="ArgumentException">The lists differ in length, time runs back, or a number is none.</exception>
    public RequestTrace(double[] arrivals, int[] prompts, int[] answers, double length)
    {
        ArgumentNullException.ThrowIfNull(arrivals);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(answers);
        if (prompts.Length != arrivals.Length || answers.Length != arrivals.Length)
            throw new ArgumentException("every request needs an arrival, a prompt and an answer");
        double last = 0;
        for (var i = 0; i < arrivals.Length; i++)
        {
            if (!double.IsFinite(arrivals[i]) || arrivals[i] < last)
                throw new ArgumentException($"request {i} arrives at {arrivals[i]} s, before the one ahead of it or at no time");
            if (prompts[i] < 1 || answers[i] < 1)
                throw new ArgumentException($"request {i} has {prompts[i]} tokens and asks for {answers[i]}; each needs one at least");
            last = arrivals[i];
        }

        if (!double.IsFinite(length) || length < last) throw new ArgumentException($"{length} s end before the last arrival, at {last} s");
        (Arrivals, Prompts, Answers, Length) = (arrivals, prompts, answers, length);
    }

    /// <summary>Nobody asks for anything.</summary>
    public static RequestTrace Silence(double length) => new([], [], [], length);

    public int Count => Arrivals.Length;

    public double[] Arrivals { get; }

    public int[] Prompts { get; }

    public int[] Answers { get; }

    /// <summary>Seconds.</summary>
    public double Length { get; }

    /// <summary>Arrivals a second over all of it.</summary>
    public double PerSecond => Length > 0 ? Count / Length : 0;
}
