using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>How metrics are fetched from those who may be slow, hostile or gone.</summary>
internal static class HttpTransport
{
    /// <summary>Up to here a body needs no turn.</summary>
    public const int SmallBytes = 512 << 10;

    public static SocketsHttpHandler Handler(X509Certificate2Collection? roots, bool acceptAny)
    {
        var handler = new SocketsHttpHandler
        {
            // A pod that redirects would have us call whom it likes.
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            MaxConnectionsPerServer = 2,
            MaxResponseHeadersLength = 16,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        };
        if (acceptAny)
        {
            // The user's choice, for pods that sign their own certificates.
#pragma warning disable CA5359
            handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true };
#pragma warning restore CA5359
        }
        else if (roots is not null)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.AddRange(roots);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return handler;
    }

    /// <summary>The body, or an exception once it passes the bound; the buffer is the pool's.</summary>
    /// <param name="content">What is read.</param>
    /// <param name="most">Its bound, in bytes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="turns">How many larger than <see cref="SmallBytes"/> are in memory at once; one is held until the body's return.</param>
    public static async Task<PooledBody> ReadBoundedAsync(HttpContent content, int most, CancellationToken cancellationToken, SemaphoreSlim? turns = null)
    {
        if (content.Headers.ContentLength > most)
            throw new MetricsException($"its answer is {content.Headers.ContentLength} bytes, more than the {most} that are read");
        var stream = await content.ReadAsStreamAsync(cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(64 << 10);
        var (length, turn) = (0, (SemaphoreSlim?)null);
        try
        {
            while (true)
            {
                if (length == buffer.Length)
                {
                    // Of those that wait none holds more than a small body does, so one of them always goes on.
                    if (turns is not null && turn is null && length >= SmallBytes)
                    {
                        await turns.WaitAsync(cancellationToken);
                        turn = turns;
                    }

                    var larger = ArrayPool<byte>.Shared.Rent(checked(buffer.Length * 2));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
                if (read == 0) return new PooledBody(buffer, length, turn);
                length += read;
                if (length > most) throw new MetricsException($"its answer is more than the {most} bytes that are read");
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            turn?.Release();
            throw;
        }
    }

    /// <summary>One sentence for what a network or a stranger does; null for a fault of ours, which must be seen.</summary>
    public static string? Sentence(Exception problem, TimeSpan patience) => problem switch
    {
        MetricsException told => told.Message,
        OperationCanceledException => $"it did not answer within {patience.TotalSeconds:0.###} s",
        HttpRequestException { InnerException: AuthenticationException } =>
            "its certificate is not one we trust; name its root, or let any certificate do",
        HttpRequestException { InnerException: SocketException socket } => $"it cannot be reached ({socket.SocketErrorCode})",
        SocketException socket => $"it cannot be reached ({socket.SocketErrorCode})",
        HttpRequestException { InnerException: IOException } or IOException => "it broke the connection off",
        HttpRequestException => "it does not speak HTTP as it should",
        JsonException => "its answer is no JSON that a Prometheus server writes",
        _ => null,
    };
}

/// <summary>A body in a buffer of the pool's, and the turn that a large one has.</summary>
internal sealed class PooledBody(byte[] buffer, int length, SemaphoreSlim? turn)
{
    public ReadOnlyMemory<byte> Memory => buffer.AsMemory(0, length);

    public void Return()
    {
        ArrayPool<byte>.Shared.Return(buffer);
        turn?.Release();
    }
}
