using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>Who asks, as the API server knows them.</summary>
internal sealed record Caller
{
    /// <summary>The group of everyone who is known, which a front proxy need not name.</summary>
    public const string Authenticated = "system:authenticated";

    public required string Name { get; init; }

    public string? Uid { get; init; }

    public required ImmutableArray<string> Groups { get; init; }

    public required ImmutableSortedDictionary<string, ImmutableArray<string>> Extra { get; init; }

    public static ImmutableArray<string> WithAuthenticated(ImmutableArray<string> groups) =>
        groups.Contains(Authenticated) ? groups : groups.Add(Authenticated);
}

/// <summary>What is asked for: a metric in a namespace, or a path.</summary>
internal sealed record Access
{
    public required string Verb { get; init; }

    public string? Namespace { get; init; }

    public string? Resource { get; init; }

    public string? Path { get; init; }

    /// <summary>The sentence of a refusal, worded as the API server words its own.</summary>
    public string Refusal(string caller) => Path is not null
        ? $"forbidden: User \"{caller}\" cannot {Verb} path \"{Path}\""
        : $"{Resource}.{BridgeNames.Group} is forbidden: User \"{caller}\" cannot {Verb} resource \"{Resource}\" in API group "
            + $"\"{BridgeNames.Group}\" in the namespace \"{Namespace}\"";
}

/// <summary>The caller could not be judged because the API server did not answer; the message is one sentence.</summary>
internal sealed class ReviewException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A digest of several texts, so that a cache's keys have one size whatever a caller sends.</summary>
internal static class Digest
{
    public static string Of(params IEnumerable<string?> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var part in parts)
        {
            // The length goes before each part: "ab","c" is not "a","bc", and an absent part is not an empty one.
            var bytes = Encoding.UTF8.GetBytes(part ?? "");
            System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(length, part is null ? -1 : bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
