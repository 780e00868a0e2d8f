using Plimsoll.Gateway;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>Makes a fleet file's gateway one that can listen: its files must be there, and its key set.</summary>
/// <param name="folder">Where the fleet file lies.</param>
/// <param name="problems">Where what is wrong goes.</param>
internal sealed class GatewayResolver(string folder, Problems problems)
{
    public GatewayOptions Of(GatewayDocument gateway)
    {
        var defaults = new GatewayOptions();
        return new GatewayOptions
        {
            Address = gateway.Listen?.Address ?? defaults.Address,
            Port = gateway.Listen?.Port ?? defaults.Port,
            AdminPort = gateway.AdminListen?.Port ?? 0,
            TlsCertificatePath = Existing(gateway.Tls?.Certificate, "gateway.tls.certificate"),
            TlsKeyPath = Existing(gateway.Tls?.Key, "gateway.tls.key"),
            ApiKey = ApiKey(gateway.ApiKey),
            HeldRequestsPerModel = gateway.Queue?.Requests ?? defaults.HeldRequestsPerModel,
            HeldRequests = Math.Max(gateway.Queue?.Requests ?? 0, defaults.HeldRequests),
            HeldBytes = gateway.Queue?.Bytes ?? defaults.HeldBytes,
            // What is stated one model may use alone, as with requests; and what may wait must be allowed to be kept.
            HeldBytesPerModel = gateway.Queue?.Bytes ?? defaults.HeldBytesPerModel,
            BufferedBodies = Bytes.Max(gateway.Queue?.Bytes ?? Bytes.Zero, defaults.BufferedBodies),
            HoldTime = gateway.Queue?.Wait ?? defaults.HoldTime,
        };
    }

    private string? Existing(string? source, string path)
    {
        if (source is null) return null;
        var full = Path.GetFullPath(source, folder);
        if (!File.Exists(full)) problems.Add(path, $"{Show.Text(full, 200)} does not exist");
        return full;
    }

    private string? ApiKey(ApiKeyDocument? key)
    {
        if (key?.Env is { } name)
        {
            if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value) return value;
            problems.Add("gateway.apiKey.env", $"the environment variable {name} is not set");
        }
        else if (Existing(key?.File, "gateway.apiKey.file") is { } path && File.Exists(path))
        {
            try
            {
                using var reader = new StreamReader(path);
                if (reader.ReadLine()?.Trim() is { Length: > 0 and <= 4096 } line) return line;
                problems.Add("gateway.apiKey.file", $"{Show.Text(path, 200)} has no key in its first line");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add("gateway.apiKey.file", $"{Show.Text(path, 200)} cannot be read: {Show.Text(e.Message, 200)}");
            }
        }

        return null;
    }
}
