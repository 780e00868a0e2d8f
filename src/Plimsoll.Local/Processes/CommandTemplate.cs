using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Local.Processes;

/// <summary>What the placeholders of a <see cref="LaunchSpec"/> stand for at one start.</summary>
internal sealed record Placeholders
{
    public required string Model { get; init; }

    public required string Name { get; init; }

    public required int Port { get; init; }

    public ImmutableArray<DeviceId> Devices { get; init; } = [];

    public Cores Cores { get; init; }

    public BytesPerSecond? LoadBandwidth { get; init; }
}

/// <summary>Fills the placeholders of a command in.</summary>
internal static class CommandTemplate
{
    private const string Bandwidth = "{load_bandwidth}";

    /// <summary>
    /// The command to run. An argument that names a bandwidth which is not set goes, with the flag before it
    /// ("--load-bandwidth {load_bandwidth}"); one that holds both ("--load-bandwidth={load_bandwidth}") goes alone.
    /// </summary>
    public static ImmutableArray<string> Fill(ImmutableArray<string> command, Placeholders values)
    {
        var filled = ImmutableArray.CreateBuilder<string>(command.Length);
        foreach (var argument in command)
        {
            if (values.LoadBandwidth is null && argument.Contains(Bandwidth, StringComparison.Ordinal))
            {
                if (argument == Bandwidth && filled.Count > 1) filled.RemoveAt(filled.Count - 1);
                continue;
            }

            filled.Add(Fill(argument, values));
        }

        return filled.ToImmutable();
    }

    /// <summary>One string. Values are put in as they are; no shell reads them.</summary>
    public static string Fill(string text, Placeholders values)
    {
        if (!text.Contains('{', StringComparison.Ordinal)) return text;
        // From left to right and once, so that a path which happens to hold "{port}" stays as it is.
        var result = new System.Text.StringBuilder();
        var at = 0;
        while (at < text.Length)
        {
            var open = text.IndexOf('{', at);
            var close = open < 0 ? -1 : text.IndexOf('}', open);
            if (close < 0) break;
            result.Append(text, at, open - at);
            if (ValueOf(text[(open + 1)..close], values) is { } value)
            {
                result.Append(value);
                at = close + 1;
            }
            else
            {
                result.Append('{');
                at = open + 1;
            }
        }

        return result.Append(text, at, text.Length - at).ToString();
    }

    private static string? ValueOf(string name, Placeholders values) => name switch
    {
        "model" => values.Model,
        "folder" => Path.GetDirectoryName(values.Model) ?? "",
        "name" => values.Name,
        "port" => values.Port.ToString(CultureInfo.InvariantCulture),
        "device" => string.Join(',', values.Devices.Select(device => device.Value)),
        "cores" => values.Cores.ToString(),
        "threads" => Math.Max(1, (values.Cores.Milli + 999) / 1000).ToString(CultureInfo.InvariantCulture),
        "load_bandwidth" => values.LoadBandwidth?.Value.ToString(CultureInfo.InvariantCulture) ?? "",
        _ => null,
    };
}
