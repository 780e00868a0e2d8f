using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// Bytes kept in ConfigMaps, compressed and cut into parts that the API server takes. There are two places for parts, which take turns:
/// the head is written last and says which holds what belongs together, so a write that ended half way leaves the one before it
/// whole, and is written over by the next.
/// </summary>
internal sealed class PackedStore(KubernetesApi api, string space, string name, string what, Action<string> log)
{
    private const int PartBytes = 700_000;
    private const int PartsMax = 64;
    private const int UnpackedMax = 1 << 30;

    private readonly string _list = $"api/v1/namespaces/{space}/configmaps";
    private Head? _head;

    // Where its parts are: "a" or "b", or what names they had before there were two places.
    private sealed record Head(string Digest, int Parts, string Place);

    /// <summary>What was kept; null where nothing was, or nothing that can be read.</summary>
    /// <param name="read">Makes something of it; what it throws as invalid is said and counts as nothing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task<T?> ReadAsync<T>(Func<Stream, T?> read, CancellationToken cancellationToken)
        where T : class
    {
        _head = null;
        using var found = await api.FindAsync($"{_list}/{name}", cancellationToken).ConfigureAwait(false);
        if (found?.RootElement.At("data") is not { } data || data.Text("digest") is not { Length: >= 12 } digest
            || !int.TryParse(data.Text("parts"), NumberStyles.None, CultureInfo.InvariantCulture, out var parts) || parts is < 1 or > PartsMax)
            return null;
        var head = _head = new Head(digest, parts, data.Text("place") ?? digest[..12]);
        try
        {
            using var packed = new MemoryStream();
            for (var part = 0; part < parts; part++)
            {
                using var piece = await api.FindAsync($"{_list}/{PartName(head.Place, part)}", cancellationToken).ConfigureAwait(false);
                if (piece?.RootElement.At("binaryData")?.Text("part") is not { } text) throw new InvalidDataException($"part {part} of {parts} is not there");
                packed.Write(Convert.FromBase64String(text));
            }

            var bytes = packed.ToArray();
            if (DigestOf(bytes) != digest) throw new InvalidDataException("its parts do not belong together");
            using var unpacked = new MemoryStream();
            using (var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress))
            {
                var block = new byte[81_920];
                for (int count; (count = gzip.Read(block)) > 0;)
                {
                    unpacked.Write(block, 0, count);
                    if (unpacked.Length > UnpackedMax) throw new InvalidDataException("it is too large");
                }
            }

            unpacked.Position = 0;
            return read(unpacked);
        }
        catch (Exception broken) when (broken is InvalidDataException or FormatException or JsonException)
        {
            log($"{what} before cannot be read and is learned anew: {broken.Message}");
            // Even what comes out the same is written anew then.
            _head = head with { Digest = "" };
            return null;
        }
    }

    /// <summary>Keeps what is written; nothing to do when it is what is kept already.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task WriteAsync(Action<Stream> write, Func<bool> mayWrite, CancellationToken cancellationToken)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) write(gzip);
        var bytes = packed.ToArray();
        var digest = DigestOf(bytes);
        if (digest == _head?.Digest) return;
        var parts = (bytes.Length + PartBytes - 1) / PartBytes;
        if (parts > PartsMax)
        {
            log($"{what} takes {new Bytes(bytes.Length)}, more than is kept; the next leader learns anew");
            return;
        }

        var old = _head;
        var place = old?.Place == "a" ? "b" : "a";
        for (var part = 0; part < parts; part++)
        {
            if (!mayWrite()) return;
            var piece = bytes.AsSpan(part * PartBytes, Math.Min(PartBytes, bytes.Length - (part * PartBytes)));
            await ApplyAsync(PartName(place, part), new JsonObject { ["binaryData"] = new JsonObject { ["part"] = Convert.ToBase64String(piece) } }, cancellationToken).ConfigureAwait(false);
        }

        if (!mayWrite()) return;
        await ApplyAsync(name, new JsonObject
        {
            ["data"] = new JsonObject { ["digest"] = digest, ["parts"] = parts.ToString(CultureInfo.InvariantCulture), ["place"] = place },
        }, cancellationToken).ConfigureAwait(false);
        _head = new Head(digest, parts, place);

        // Of the other place all that there was; of this one what was longer than it is now, a write that ended half way included.
        if (old is not null) await DeleteAsync(old.Place, 0, cancellationToken).ConfigureAwait(false);
        await DeleteAsync(place, parts, cancellationToken).ConfigureAwait(false);
    }

    private async Task DeleteAsync(string place, int from, CancellationToken cancellationToken)
    {
        for (var part = from; part < PartsMax; part++)
        {
            try
            {
                using var gone = await api.DeleteAsync($"{_list}/{PartName(place, part)}", cancellationToken).ConfigureAwait(false);
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

    private string PartName(string place, int part) => string.Create(CultureInfo.InvariantCulture, $"{name}-{place}-{part}");

    private static string DigestOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
