using System.Net;

namespace Plimsoll.Gateway;

/// <summary>How the gateway listens and what it bounds. The defaults serve one machine's loopback.</summary>
public sealed record GatewayOptions
{
    /// <summary>Address of the data port.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>Data port; 0 takes a free one.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>Admin port (metrics, health); 0 takes a free one, null has none.</summary>
    public int? AdminPort { get; init; } = 0;

    /// <summary>Address of the admin port.</summary>
    public IPAddress AdminAddress { get; init; } = IPAddress.Loopback;

    /// <summary>
    /// Others guard who reaches the ports: a cluster's network policies, an ingress, a mesh. TLS and an API key are then a
    /// choice on any address.
    /// </summary>
    public bool IsGuarded { get; init; }

    /// <summary>Certificate chain and key in PEM; both or neither. Needed on addresses other than loopback.</summary>
    public string? TlsCertificatePath { get; init; }

    public string? TlsKeyPath { get; init; }

    /// <summary>Clients send it as "Authorization: Bearer …". Needed on addresses other than loopback.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Bytes of one request body kept for routing or a retry; a body that must be kept and is larger gets 413.</summary>
    public Bytes BufferedBody { get; init; } = Bytes.MiB(16);

    /// <summary>Bytes of all bodies kept at once, held or under way; past it a request gets 503.</summary>
    public Bytes BufferedBodies { get; init; } = Bytes.MiB(1024);

    /// <summary>Largest request body at all.</summary>
    public Bytes LargestBody { get; init; } = Bytes.MiB(256);

    /// <summary>Requests held over all models.</summary>
    public int HeldRequests { get; init; } = 4096;

    /// <summary>Requests held for one model.</summary>
    public int HeldRequestsPerModel { get; init; } = 2048;

    /// <summary>Body bytes held over all models.</summary>
    public Bytes HeldBytes { get; init; } = Bytes.MiB(256);

    /// <summary>Body bytes held for one model.</summary>
    public Bytes HeldBytesPerModel { get; init; } = Bytes.MiB(128);

    /// <summary>Longest time a request is held; then 503 with Retry-After.</summary>
    public TimeSpan HoldTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Replicas that may fail with a request in them before it is given up; it may be the request that kills them. One
    /// that refused the connection never had it and is not counted: the hold time bounds those.
    /// </summary>
    public int Attempts { get; init; } = 5;

    /// <summary>A replica that sends nothing for this long is given up on.</summary>
    public TimeSpan ReplicaSilence { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>A client's header section must be whole within this time.</summary>
    public TimeSpan HeaderTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Least rate, in bytes a second, at which a body that is kept comes after its grace; else its client gets 408. Time
    /// in which nobody reads, as when a request is held, does not count.
    /// </summary>
    public Bytes SlowestBody { get; init; } = Bytes.KiB(4);

    /// <summary>The same for a body that is streamed, which is large and takes up a place in a replica while it comes.</summary>
    public Bytes SlowestStream { get; init; } = Bytes.KiB(256);

    /// <summary>How long a body may come more slowly than that.</summary>
    public TimeSpan BodyGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Connections of clients at once.</summary>
    public long Connections { get; init; } = 10_000;

    /// <summary>How long the end waits for requests under way.</summary>
    public TimeSpan ShutdownTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether the data port takes requests of this machine alone and by nothing but where they come from.</summary>
    internal bool IsOpenOnLoopback => !IsGuarded && ApiKey is null && IPAddress.IsLoopback(Address);

    // A record shows all its fields, and whoever logs these should not show the key.
    public override string ToString() => $"gateway on {Address}:{Port}";

    /// <summary>What is wrong with these options, one sentence each; empty when nothing is.</summary>
    public IEnumerable<string> Problems()
    {
        if (Port is < 0 or > 65535) yield return $"gateway.listen: port {Port} is not between 0 and 65535";
        if (AdminPort is < 0 or > 65535) yield return $"gateway.adminListen: port {AdminPort} is not between 0 and 65535";
        if (TlsCertificatePath is null != (TlsKeyPath is null))
            yield return "gateway.tls: a certificate and a key belong together; give both paths or neither";
        if (IsGuarded) yield break;
        if (!IPAddress.IsLoopback(AdminAddress))
            yield return $"gateway.adminListen: {AdminAddress} is reachable from other machines; 127.0.0.1 would do";
        if (IPAddress.IsLoopback(Address)) yield break;
        if (TlsCertificatePath is null)
            yield return $"gateway.listen: {Address} is reachable from other machines, so gateway.tls.certificate and gateway.tls.key "
                + "are needed; or listen on 127.0.0.1";
        if (string.IsNullOrEmpty(ApiKey))
            yield return $"gateway.listen: {Address} is reachable from other machines, so an API key is needed; or listen on 127.0.0.1";
    }
}
