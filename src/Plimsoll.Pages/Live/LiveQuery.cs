using System.Globalization;

namespace Plimsoll.Pages.Live;

/// <summary>By what a page of models is ordered; ties go by name.</summary>
public enum LiveSort
{
    /// <summary>Those that want something first, then those that run, then the rest.</summary>
    Activity,
    Name,
    Weight,
    Demand,
    Forecast,
    Memory,
    Replicas,
}

/// <summary>Which models a reader wants to see. All of it is bounded: it comes from whoever reaches the port.</summary>
/// <param name="Search">Only models with this in their name, without regard to case.</param>
/// <param name="Sort">In which order; numbers from the largest down, names from A.</param>
/// <param name="Page">Which <see cref="PageSize"/> of them, from 0.</param>
/// <param name="Model">The one model that is shown in full; null for none.</param>
public sealed record LiveQuery(string Search = "", LiveSort Sort = LiveSort.Activity, int Page = 0, string? Model = null)
{
    public const int PageSize = 50;

    public const int TextMax = 300;

    /// <summary>Reads the query of a request.</summary>
    /// <param name="value">The value of a parameter; null where it is not given.</param>
    /// <param name="query">What was asked.</param>
    /// <returns>What is wrong with it, in a sentence; null when nothing is.</returns>
    public static string? Read(Func<string, string?> value, out LiveQuery query)
    {
        ArgumentNullException.ThrowIfNull(value);
        query = new LiveQuery();
        var (search, model) = (value("q") ?? "", value("model"));
        if (search.Length > TextMax || model?.Length > TextMax)
            return string.Create(CultureInfo.InvariantCulture, $"q and model take {TextMax} characters at most");
        var sort = LiveSort.Activity;
        if (value("sort") is { Length: > 0 } name && (!char.IsAsciiLetter(name[0]) || !Enum.TryParse(name, ignoreCase: true, out sort)))
            return $"there is no such sort; {string.Join(", ", Enum.GetNames<LiveSort>()).ToLowerInvariant()} would do";
        var page = 0;
        if (value("page") is { Length: > 0 } number && !(int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out page) && page <= 1_000_000))
            return "page is not a whole number from 0 to 1000000";
        query = new LiveQuery(search.Trim(), sort, page, string.IsNullOrEmpty(model) ? null : model);
        return null;
    }
}
