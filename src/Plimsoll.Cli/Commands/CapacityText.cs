using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Commands;

/// <summary>What a capacity rests on, for <c>plimsoll explain</c>.</summary>
internal static class CapacityText
{
    public static IEnumerable<string> Of(CapacityEstimate estimate)
    {
        yield return $"pace      {Pace(estimate)}; by the error bar of its steps {Shown(estimate.LowPerSecond)} to {Shown(estimate.HighPerSecond)}";
        if (estimate.PromptTokens > 0) yield return $"requests  {Tokens(estimate.PromptTokens)} tokens in and {Tokens(estimate.AnswerTokens)} out on the mean, "
            + (estimate.LengthsSeen ? "as its servers count them" : "as stated or assumed, as no server counted them");
        if (!estimate.Keeps) yield return "objective missed even by requests that are alone: more replicas do not mend it, another device or split might";
    }

    private static string Pace(CapacityEstimate estimate) => estimate.Requests == 0
        ? $"predicted for {Show.Text(estimate.From, 200)}, none was seen yet"
        : string.Create(CultureInfo.InvariantCulture, $"steps take {estimate.Pace:0.00} times what was predicted for {Show.Text(estimate.From, 200)}, by {estimate.Requests} requests");

    private static string Shown(double perSecond) => Fact.Rate("", perSecond).Shown;

    private static string Tokens(double mean) => mean.ToString("#,0", CultureInfo.InvariantCulture);
}
