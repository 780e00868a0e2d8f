using System.Collections.Immutable;
using System.Globalization;
using System.Net.Sockets;

namespace Plimsoll.Local.Processes;

/// <summary>What a server's own metrics say about the stages of its load.</summary>
internal static class LoadStages
{
    private const string Metric = "plimsoll_model_load_duration_seconds{";
    private const string Stage = "stage=\"";
    private const int StagesMax = 32;

    /// <summary>Empty when the server has no metrics, or does not tell.</summary>
    public static async Task<ImmutableArray<StageTime>> ReadAsync(
        HttpClient http, ReplicaRecord replica, CancellationToken cancellationToken)
    {
        if (replica.MetricsPath is null) return [];
        try
        {
            return Parse(await http.GetStringAsync(new Uri(replica.Address, replica.MetricsPath), cancellationToken)
                .ConfigureAwait(false));
        }
        catch (Exception e) when (e is HttpRequestException or SocketException or OperationCanceledException)
        {
            return [];
        }
    }

    /// <summary>Lines such as plimsoll_model_load_duration_seconds{model="m",stage="read"} 1.25, in their order.</summary>
    internal static ImmutableArray<StageTime> Parse(string metrics)
    {
        var stages = ImmutableArray.CreateBuilder<StageTime>();
        foreach (var line in metrics.Split('\n'))
        {
            if (!line.StartsWith(Metric, StringComparison.Ordinal) || stages.Count == StagesMax) continue;
            var from = line.IndexOf(Stage, StringComparison.Ordinal);
            var to = from < 0 ? -1 : line.IndexOf('"', from + Stage.Length);
            var labelsEnd = line.LastIndexOf('}');
            if (to < 0 || labelsEnd < to) continue;
            var value = line[(labelsEnd + 1)..].Trim().Split(' ')[0];
            if (double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
                && seconds is >= 0 and < 1e6)
                stages.Add(new StageTime(line[(from + Stage.Length)..to], TimeSpan.FromSeconds(seconds)));
        }

        return stages.ToImmutable();
    }
}
