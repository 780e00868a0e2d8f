using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Json;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// What was learned, kept in ConfigMaps so that the next leader has it wherever it runs: the knowledge's JSON, compressed,
/// cut into parts that the API server takes. The first part is written last and names the others by their digest, so a
/// write that ended half way leaves the one before it whole.
/// </summary>
public sealed class KnowledgeStore(KubernetesApi api, string space, string name, Action<string> log)
{
    private const int PartBytes = 700_000;
    private const int PartsMax = 64;
    private const int UnpackedMax = 1 << 30;

    private readonly string _list = $"api/v1/namespaces/{space}/configmaps";
    private string? _digest;

    /// <summary>What was kept; empty where nothing was, or nothing that can be read.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task<Knowledge> ReadAsync(CancellationToken cancellationToken)
    {
        using var head = await api.FindAsync($"{_list}/{name}", cancellationToken).ConfigureAwait(false);
        if (head?.RootElement.At("data") is not { } data || data.Text("digest") is not { } digest
            || !int.TryParse(data.Text("parts"), NumberStyles.None, CultureInfo.InvariantCulture, out var parts) || parts is < 1 or > PartsMax)
            return Knowledge.Empty;
        try
        {
            using var packed = new MemoryStream();
            for (var part = 0; part < parts; part++)
            {
                using var piece = await api.FindAsync($"{_list}/{PartName(digest, part)}", cancellationToken).ConfigureAwait(false);
                if (piece?.RootElement.At("binaryData")?.Text("part") is not { } text) throw new InvalidDataException($"part {part} of {parts} is not there");
                packed.Write(Convert.FromBase64String(text));
            }

            var bytes = packed.ToArray();
            if (DigestOf(bytes) != digest) throw new InvalidDataException("its parts do not belong together");
            using var unpacked = new MemoryStream();
            using (var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress))
            {
                var block = new byte[81_920];
                for (int read; (read = gzip.Read(block)) > 0;)
                {
                    unpacked.Write(block, 0, read);
                    if (unpacked.Length > UnpackedMax) throw new InvalidDataException("it is too large");
                }
            }

            unpacked.Position = 0;
            _digest = digest;
            return JsonSerializer.Deserialize(unpacked, PlimsollJson.Default.Knowledge) ?? Knowledge.Empty;
        }
        catch (Exception broken) when (broken is InvalidDataException or FormatException or JsonException)
        {
            log($"what was learned before cannot be read and is learned anew: {broken.Message}");
            return Knowledge.Empty;
        }
    }

    /// <summary>Keeps it; nothing to do when it is what is kept already.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task WriteAsync(Knowledge knowledge, Func<bool> mayWrite, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(mayWrite);
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            JsonSerializer.Serialize(gzip, knowledge, PlimsollJson.Default.Knowledge);
        var bytes = packed.ToArray();
        var digest = DigestOf(bytes);
        if (digest == _digest) return;
        var parts = (bytes.Length + PartBytes - 1) / PartBytes;
        if (parts > PartsMax)
        {
            log($"what was learned takes {new Bytes(bytes.Length)}, more than is kept; the next leader learns anew");
            return;
        }

        for (var part = 0; part < parts; part++)
        {
            if (!mayWrite()) return;
            var piece = bytes.AsSpan(part * PartBytes, Math.Min(PartBytes, bytes.Length - (part * PartBytes)));
            await ApplyAsync(PartName(digest, part), new JsonObject { ["binaryData"] = new JsonObject { ["part"] = Convert.ToBase64String(piece) } }, cancellationToken).ConfigureAwait(false);
        }

        if (!mayWrite()) return;
        await ApplyAsync(name, new JsonObject
        {
            ["data"] = new JsonObject { ["digest"] = digest, ["parts"] = parts.ToString(CultureInfo.InvariantCulture) },
        }, cancellationToken).ConfigureAwait(false);
        var old = _digest;
        _digest = digest;
        for (var part = 0; old is not null && part < PartsMax; part++)
        {
            try
            {
                using var gone = await api.DeleteAsync($"{_list}/{PartName(old, part)}", cancellationToken).ConfigureAwait(false);
            }
            catch (ApiException none) when (none.Status == System.Net.HttpStatusCode.NotFound)
            {
                break;
            }
        }
    }

    private async Task ApplyAsync(string part, JsonObject body, CancellationToken cancellationToken)
    {
        body["apiVersion"] = "v1";
        body["kind"] = "ConfigMap";
        body["metadata"] = new JsonObject
        {
            ["name"] = part,
            ["namespace"] = space,
            ["labels"] = new JsonObject { ["app.kubernetes.io/part-of"] = "plimsoll" },
        };
        using var written = await api.PatchAsync(
            $"{_list}/{part}", JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
    }

    private string PartName(string digest, int part) => string.Create(CultureInfo.InvariantCulture, $"{name}-{digest[..12]}-{part}");

    private static string DigestOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
