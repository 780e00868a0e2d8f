using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>A real listener on loopback that answers each request as a test says, well or badly.</summary>
internal sealed class Endpoint : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<string, Stream, CancellationToken, Task> _answer;
    private readonly X509Certificate2? _certificate;
    private readonly Task _accepting;

    /// <param name="answer">Gets the request's head and writes all of the response.</param>
    /// <param name="certificate">Speaks TLS with it; null for none.</param>
    public Endpoint(Func<string, Stream, CancellationToken, Task> answer, X509Certificate2? certificate = null)
    {
        (_answer, _certificate) = (answer, certificate);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Answers with what the text is at the moment it is asked.</summary>
    public Endpoint(Func<string> text, X509Certificate2? certificate = null)
        : this((_, stream, stop) => WriteAsync(stream, text(), stop), certificate)
    {
    }

    public ConcurrentQueue<string> Requests { get; } = new();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public Uri Uri => new(string.Create(CultureInfo.InvariantCulture,
        $"{(_certificate is null ? "http" : "https")}://127.0.0.1:{Port}/metrics"));

    public static Task WriteAsync(
        Stream stream, string body, CancellationToken stop, string status = "200 OK", string type = "text/plain; version=0.0.4")
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 {status}\r\nContent-Type: {type}\r\nContent-Length: {bytes.Length}\r\nConnection: close\r\n\r\n"));
        byte[] all = [.. head, .. bytes];
        return stream.WriteAsync(all, stop).AsTask();
    }

    /// <summary>The request with all of its body, of which the head's reading may have taken a part.</summary>
    public static async Task<string> WholeAsync(string request, Stream stream, CancellationToken stop)
    {
        var length = int.Parse(request.Split("Content-Length: ")[1].Split("\r\n")[0], CultureInfo.InvariantCulture);
        var whole = new StringBuilder(request);
        var buffer = new byte[4096];
        while (whole.Length < request.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4 + length)
        {
            var read = await stream.ReadAsync(buffer, stop);
            if (read == 0) throw new IOException("the request ended before its body did");
            whole.Append(Encoding.ASCII.GetString(buffer, 0, read));
        }

        return whole.ToString();
    }

    /// <summary>A root of our own, and a certificate of it for 127.0.0.1.</summary>
    public static (X509Certificate2 Root, X509Certificate2 Server) Certificates()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var rootRequest = new CertificateRequest("CN=test root", rootKey, HashAlgorithmName.SHA256);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var (from, to) = (new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2090, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var root = rootRequest.CreateSelfSigned(from, to);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=pod", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var bare = request.Create(root, from, to, [1, 2, 3, 4]);
        return (X509CertificateLoader.LoadCertificate(root.RawData), bare.CopyWithPrivateKey(key));
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception problem) when (problem is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Stopped; a listener that is stopped between two connections says it is not listening.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                Stream stream = client.GetStream();
                if (_certificate is not null)
                {
                    var secure = new SslStream(stream);
                    await secure.AuthenticateAsServerAsync(_certificate);
                    stream = secure;
                }

                await using (stream)
                {
                    var head = new StringBuilder();
                    var buffer = new byte[4096];
                    while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
                    {
                        var read = await stream.ReadAsync(buffer, _stop.Token);
                        if (read == 0) return;
                        head.Append(Encoding.UTF8.GetString(buffer, 0, read));
                    }

                    Requests.Enqueue(head.ToString());
                    await _answer(head.ToString(), stream, _stop.Token);
                }
            }
            catch (Exception problem) when (problem is IOException or OperationCanceledException or SocketException
                or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
            {
                // The other side had enough, or the test is over.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }
}
