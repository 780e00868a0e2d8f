using System.Collections.Immutable;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;

namespace Plimsoll.Local.Tests;

/// <summary>A cache folder, and folders to fetch from.</summary>
internal sealed class CacheFixture : IDisposable
{
    public static readonly ModelId Model = ModelId.Of("org/model");

    public string Root { get; } = Directory.CreateTempSubdirectory("plimsoll-cache-").FullName;

    public string Folder => Path.Combine(Root, "cache");

    public ModelCacheOptions Options => new()
    {
        Folder = Folder,
        Node = NodeId.Of("here"),
        Budget = Bytes.MiB(64),
        Backoff = TimeSpan.FromMilliseconds(5),
        MarkEvery = Bytes.KiB(64),
    };

    public ModelCache Open(ModelCacheOptions? options = null) =>
        ModelCache.Open(options ?? Options, TimeProvider.System, NullLogger.Instance);

    public string Source(params (string Name, byte[] Content)[] files)
    {
        var folder = Path.Combine(Root, "source");
        foreach (var (name, content) in files)
        {
            var path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }

        return folder;
    }

    /// <summary>Bytes that no two places share, so that a misplaced piece shows.</summary>
    public static byte[] Content(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static string Sha(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    public static FetchSpec From(string source, params (string Name, string Sha256)[] hashes) => new()
    {
        Source = source,
        Sha256 = hashes.ToImmutableSortedDictionary(hash => hash.Name, hash => hash.Sha256),
    };

    public static Task<FetchResult> FetchAsync(ModelCache cache, FetchSpec spec, string version = "v1") =>
        cache.FetchAsync(Model, version, spec, null, TestContext.Current.CancellationToken);

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
