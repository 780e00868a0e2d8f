using System.Globalization;

namespace Plimsoll.Simulation.Traces;

/// <summary>One client of a trace that tells rates and not requests.</summary>
/// <param name="Client">Its number in the file.</param>
/// <param name="Curve">Requests a second over time.</param>
/// <param name="Variation">Standard deviation of the gaps between requests over their mean, each window by the requests it had.</param>
public sealed record ClientRates(int Client, RateCurve Curve, double Variation);

/// <summary>
/// Reads the rates of ServeGen: <c>client,window_start_s,rate_req_per_s,iat_cv,arrival_pattern,pattern_arg1,pattern_arg2</c>, a row for
/// each client and window of 600 s. Its requests are gone; <see cref="SyntheticTraffic"/> makes some of the same rates and burstiness.
/// </summary>
public static class ServeGenRates
{
    private const string Header = "client,window_start_s,rate_req_per_s,iat_cv,arrival_pattern,pattern_arg1,pattern_arg2";
    private const double WindowSeconds = 600;

    // Where a window has few requests its variation says little, and a gamma distribution of a huge one is all zeros.
    private const double LeastVariation = 0.3;
    private const double MostVariation = 5;

    /// <summary>Ordered by client.</summary>
    /// <exception cref="TraceException">At the first line that is no window.</exception>
    public static IReadOnlyList<ClientRates> Read(string path)
    {
        var clients = new SortedDictionary<int, List<(double Start, double Rate, double Variation)>>();
        var header = false;
        foreach (var (number, text) in BoundedLines.Read(path))
        {
            if (!header)
            {
                if (text.Trim().TrimStart('\uFEFF') != Header) throw new TraceException(path, 1, $"the header is '{TraceFile.Excerpt(text)}'; expected '{Header}'");
                header = true;
                continue;
            }

            if (text.Length == 0) continue;
            var fields = TraceFile.Fields(path, number, text, 7);
            if (!int.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out var client))
                throw new TraceException(path, number, $"client is '{TraceFile.Excerpt(fields[0])}'; expected a whole number");
            var window = (TraceFile.Number(path, number, "window_start_s", fields[1]), TraceFile.Number(path, number, "rate_req_per_s", fields[2]), TraceFile.Number(path, number, "iat_cv", fields[3]));
            if (!clients.TryGetValue(client, out var windows)) windows = clients[client] = [];
            if (windows.Count > 0 && windows[^1].Start >= window.Item1) throw new TraceException(path, number, "is not later than the window before it of the same client");
            windows.Add(window);
        }

        if (clients.Count == 0) throw new TraceException(path, 0, "has no window");
        return [.. clients.Select(client => Of(client.Key, client.Value))];
    }

    private static ClientRates Of(int client, List<(double Start, double Rate, double Variation)> windows)
    {
        // Windows without requests may be left out: there nothing came.
        var (starts, rates) = (new List<double>(), new List<double>());
        double end = 0, weights = 0, sum = 0;
        foreach (var (start, rate, variation) in windows)
        {
            if (start > end) (starts, rates) = ([.. starts, end], [.. rates, 0]);
            starts.Add(start);
            rates.Add(rate);
            end = start + WindowSeconds;
            if (variation <= 0) continue;
            weights += rate;
            sum += rate * Math.Clamp(variation, LeastVariation, MostVariation);
        }

        return new ClientRates(client, new RateCurve([.. starts], [.. rates], end), weights > 0 ? sum / weights : 1);
    }
}
