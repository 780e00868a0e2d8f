using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>
/// A server certificate in PEM files that somebody renews: looked at again at most every ten seconds, when a client connects.
/// While the files don't fit together, as in the middle of a renewal, the certificate before goes on being shown.
/// </summary>
internal sealed partial class CertificateFiles
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly string _certificatePath;
    private readonly string _keyPath;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private byte[] _digest;
    private byte[] _failed = [];
    private SslStreamCertificateContext _current;
    private long _looked;

    /// <exception cref="BridgesException">The files cannot be read as a certificate and its key.</exception>
    public CertificateFiles(string certificatePath, string keyPath, TimeProvider time, ILogger log)
    {
        (_certificatePath, _keyPath, _time, _log) = (certificatePath, keyPath, time, log);
        try
        {
            (_current, _digest) = Read();
        }
        catch (Exception problem) when (IsExpected(problem))
        {
            throw new BridgesException(
                $"{certificatePath} with {keyPath} could not be read as a PEM certificate and key: {problem.Message}", problem);
        }

        _looked = time.GetTimestamp();
    }

    public SslStreamCertificateContext Current()
    {
        lock (_lock)
        {
            if (_time.GetElapsedTime(_looked) < Pause) return _current;
            _looked = _time.GetTimestamp();
            try
            {
                var digest = DigestOf(File.ReadAllBytes(_certificatePath), File.ReadAllBytes(_keyPath));
                if (digest.AsSpan().SequenceEqual(_digest) || digest.AsSpan().SequenceEqual(_failed)) return _current;
                _failed = digest;
                (_current, _digest) = Read();
                LogRenewed(_log, _certificatePath);
            }
            catch (Exception problem) when (IsExpected(problem))
            {
                LogKept(_log, _certificatePath, problem.Message);
            }

            return _current;
        }
    }

    private (SslStreamCertificateContext Certificate, byte[] Digest) Read()
    {
        var (certificate, key) = (File.ReadAllBytes(_certificatePath), File.ReadAllBytes(_keyPath));
        var pem = System.Text.Encoding.UTF8.GetString(certificate);

        // The file may hold intermediates after the certificate itself; clients want those too.
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(pem);
        var own = X509Certificate2.CreateFromPem(pem, System.Text.Encoding.UTF8.GetString(key));
        return (SslStreamCertificateContext.Create(own, chain, offline: true), DigestOf(certificate, key));
    }

    private static byte[] DigestOf(byte[] certificate, byte[] key) => SHA256.HashData([.. SHA256.HashData(certificate), .. SHA256.HashData(key)]);

    private static bool IsExpected(Exception problem) =>
        problem is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;

    [LoggerMessage(Level = LogLevel.Information, Message = "The certificate {Path} was renewed")]
    private static partial void LogRenewed(ILogger logger, string path);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The certificate {Path} changed but cannot be used, so the one before is kept: {Problem}")]
    private static partial void LogKept(ILogger logger, string path, string problem);
}
