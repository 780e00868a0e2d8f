using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Texts and numbers as they are written into a status.</summary>
internal static class StatusText
{
    private const int LongestText = 1024;
    private const int LongestMessage = 4096;

    /// <summary>Null for an empty text; a long one is cut.</summary>
    public static string? Of(string? text, int longest = LongestText) => string.IsNullOrEmpty(text) ? null : Shown.Text(text, longest);

    /// <summary>Three significant digits below a thousand, at most three of them behind the point, and whole numbers above; null for what is no number.</summary>
    public static double? Rounded(double? number)
    {
        if (number is not { } value || !double.IsFinite(value)) return null;
        if (value == 0) return 0;
        var digits = 2 - (int)Math.Floor(Math.Log10(Math.Abs(value)));
        return digits >= 0 ? Math.Round(value, Math.Min(digits, 3)) : Math.Round(value);
    }

    /// <summary>Reason and message of a condition are needed; an empty message repeats the reason.</summary>
    public static IReadOnlyList<V1Condition>? Conditions(IReadOnlyList<V1Condition>? conditions) => conditions?.Select(condition => new V1Condition
    {
        Type = condition.Type,
        Status = condition.Status,
        ObservedGeneration = condition.ObservedGeneration,
        LastTransitionTime = condition.LastTransitionTime,
        Reason = Of(condition.Reason) ?? "Unknown",
        Message = Of(condition.Message, LongestMessage) ?? Of(condition.Reason) ?? "Unknown",
    }).ToList();
}
