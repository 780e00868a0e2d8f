namespace Plimsoll;

/// <summary>
/// Requests of a simulation, by number, in the order of their arrival: what they ask, and what became of them. Columns of
/// arrays, so that a million of them are a few blocks of memory.
/// </summary>
public sealed class RequestLog
{
    /// <param name="arrivals">Seconds, in order.</param>
    /// <param name="prompts">Tokens of each prompt, at least 1.</param>
    /// <param name="answers">Tokens of each answer, at least 1.</param>
    /// <param name="cached">Tokens of each prompt whose keys and values are there already; null for none.</param>
    /// <exception cref="ArgumentException">The lists differ in length, time runs back, or a number is none.</exception>
    public RequestLog(double[] arrivals, int[] prompts, int[] answers, int[]? cached = null)
    {
        ArgumentNullException.ThrowIfNull(arrivals);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(answers);
        var count = arrivals.Length;
        if (prompts.Length != count || answers.Length != count || (cached is not null && cached.Length != count))
            throw new ArgumentException("every request needs an arrival, a prompt and an answer");
        for (var i = 0; i < count; i++)
        {
            if (!double.IsFinite(arrivals[i]) || (i > 0 && arrivals[i] < arrivals[i - 1]))
                throw new ArgumentException($"request {i} arrives at {arrivals[i]}, before the one ahead of it or at no time");
            if (prompts[i] < 1 || answers[i] < 1 || (cached is not null && cached[i] < 0))
                throw new ArgumentException($"request {i} has {prompts[i]} tokens and asks for {answers[i]}; each needs one at least");
        }

        (Arrivals, Prompts, Answers, Cached) = (arrivals, prompts, answers, cached);
        (FirstTokens, Ends, Preemptions) = (new double[count], new double[count], new int[count]);
        Clear();
    }

    public int Count => Arrivals.Length;

    public double[] Arrivals { get; }

    public int[] Prompts { get; }

    public int[] Answers { get; }

    public int[]? Cached { get; }

    /// <summary>When each had its first token; not a number before that, or where it was refused.</summary>
    public double[] FirstTokens { get; }

    /// <summary>When each had its last token; not a number before that, or where it was refused.</summary>
    public double[] Ends { get; }

    /// <summary>How often each lost its keys and values and began again.</summary>
    public int[] Preemptions { get; }

    /// <summary>Requests that no replica could ever hold: more tokens than it has room for.</summary>
    public int Refused { get; internal set; }

    /// <summary>Seconds to the first token.</summary>
    public double Ttft(int request) => FirstTokens[request] - Arrivals[request];

    /// <summary>Seconds between tokens on the mean; 0 for an answer of one token.</summary>
    public double Tpot(int request) =>
        Answers[request] > 1 ? (Ends[request] - FirstTokens[request]) / (Answers[request] - 1) : 0;

    /// <summary>Seconds from arrival to the last token.</summary>
    public double EndToEnd(int request) => Ends[request] - Arrivals[request];

    /// <summary>As before any simulation.</summary>
    public void Clear()
    {
        Array.Fill(FirstTokens, double.NaN);
        Array.Fill(Ends, double.NaN);
        Array.Clear(Preemptions);
        Refused = 0;
    }
}
