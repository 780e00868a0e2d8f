using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;

namespace Plimsoll.Prediction.Loads;

/// <summary>
/// Load times of a production fleet for image generation, container after container, over 22 hours (alibaba/clusterdata, v2026-GenAI). Sizes
/// and models are not in it: a container loads whichever base model or pipeline is asked for next.
/// </summary>
internal static class ProductionStreams
{
    /// <summary>Containers in the order of their names; those at even places are for calibration.</summary>
    public static (LoadStream[] Calibration, LoadStream[] Validation) Read(string archive)
    {
        var rows = new Dictionary<string, List<(double At, double Seconds)>>(StringComparer.Ordinal);
        using var file = File.OpenRead(archive);
        using var unzipped = new GZipStream(file, CompressionMode.Decompress);
        using var tar = new TarReader(unzipped);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is not { } data || !entry.Name.EndsWith(".csv", StringComparison.Ordinal) || Path.GetFileName(entry.Name).StartsWith("._", StringComparison.Ordinal)) continue;
            using var reader = new StreamReader(data);
            reader.ReadLine();
            while (reader.ReadLine() is { } line)
            {
                // timestamp_anon, value in milliseconds, container_ip; zero is a scrape with nothing to update.
                var cells = line.Split(',');
                var milliseconds = double.Parse(cells[1], CultureInfo.InvariantCulture);
                if (milliseconds <= 0) continue;
                if (!rows.TryGetValue(cells[2], out var stream)) rows[cells[2]] = stream = [];
                stream.Add((double.Parse(cells[0], CultureInfo.InvariantCulture), milliseconds / 1000));
            }
        }

        var streams = rows.OrderBy(one => one.Key, StringComparer.Ordinal)
            .Select(one => new LoadStream(one.Key, Bytes.Zero, [.. one.Value.OrderBy(row => row.At).Select(row => row.Seconds)])).ToArray();
        return ([.. streams.Where((_, at) => at % 2 == 0)], [.. streams.Where((_, at) => at % 2 == 1)]);
    }
}
