using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// A sample of requests' lengths, each as likely as another, and the moments a queue needs. What goes with what is kept:
/// long prompts may have short answers.
/// </summary>
public sealed class RequestLengths
{
    /// <summary>More would cost time and tell nothing: a tail beyond one in two thousand does not reach a p99.</summary>
    public const int SampleMax = 512;

    private RequestLengths(ImmutableArray<(int Prompt, int Answer)> sample)
    {
        Sample = sample;
        Prompt = sample.Average(one => (double)one.Prompt);
        PromptSquared = sample.Average(one => (double)one.Prompt * one.Prompt);
        Steps = sample.Average(one => one.Answer - 1.0);
        StepsSquared = sample.Average(one => (one.Answer - 1.0) * (one.Answer - 1.0));
        var held = sample.Average(one => (one.Answer - 1.0) * (one.Prompt + (one.Answer / 2.0)));
        Context = Steps > 0 ? held / Steps : Prompt;
        Longest = sample.Max(one => (long)one.Prompt + one.Answer);
    }

    public ImmutableArray<(int Prompt, int Answer)> Sample { get; }

    /// <summary>Mean tokens of a prompt.</summary>
    public double Prompt { get; }

    public double PromptSquared { get; }

    /// <summary>Mean steps that give a request a token after its first.</summary>
    public double Steps { get; }

    public double StepsSquared { get; }

    /// <summary>Mean tokens held by a sequence found running: long answers are found more often.</summary>
    public double Context { get; }

    /// <summary>Most tokens of a request, prompt and answer.</summary>
    public long Longest { get; }

    /// <summary>
    /// All of them, or as many as are kept, evenly spaced after sorting by prompt, then answer: a sample of a sample, in
    /// whatever order it comes.
    /// </summary>
    /// <exception cref="ArgumentException">There is none, or a length is below 1.</exception>
    public static RequestLengths Of(IEnumerable<(int Prompt, int Answer)> requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        var all = requests.Order().ToArray();
        if (all.Length == 0) throw new ArgumentException("no request has a length");
        if (all.Any(one => one.Prompt < 1 || one.Answer < 1)) throw new ArgumentException("a prompt and an answer have at least one token each");
        if (all.Length <= SampleMax) return new RequestLengths([.. all]);
        return new RequestLengths([.. Enumerable.Range(0, SampleMax).Select(i => all[(int)(((2L * i) + 1) * all.Length / (2 * SampleMax))])]);
    }
}
