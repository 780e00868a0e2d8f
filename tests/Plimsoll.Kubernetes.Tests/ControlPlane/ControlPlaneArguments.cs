using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>The command lines of one control plane. Ports: API server, etcd's clients, etcd's peers, manager, scheduler.</summary>
internal sealed partial class ControlPlaneArguments(string programs, ControlPlaneFiles files, int[] ports, ControlPlaneOptions options)
{
    public const string Issuer = "https://kubernetes.default.svc";

    // Until 1.23 these two also listen without TLS, on fixed ports, unless told not to; 1.24 does not know the flag.
    private readonly string[] _noPlainPort = MinorVersion(Path.Combine(programs, "kube-apiserver")) < 24 ? ["--port=0"] : [];

    public ControlPlaneOptions Options => options;

    public Uri ControllerManagerHealth { get; } = new($"https://127.0.0.1:{ports[3]}/healthz");

    public Uri SchedulerHealth { get; } = new($"https://127.0.0.1:{ports[4]}/healthz");

    public string Program(string name) => Path.Combine(programs, name);

    public IEnumerable<string> Etcd() =>
    [
        $"--data-dir={files.PathOf("etcd")}",
        $"--listen-client-urls=http://127.0.0.1:{ports[1]}",
        $"--advertise-client-urls=http://127.0.0.1:{ports[1]}",
        $"--listen-peer-urls=http://127.0.0.1:{ports[2]}",
        $"--initial-advertise-peer-urls=http://127.0.0.1:{ports[2]}",
        $"--initial-cluster=default=http://127.0.0.1:{ports[2]}",
        "--unsafe-no-fsync", // the data need not outlive the machine
    ];

    public IEnumerable<string> ApiServer() =>
    [
        $"--etcd-servers=http://127.0.0.1:{ports[1]}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1", // else it looks for a network, and there may be none
        $"--secure-port={ports[0]}",
        .. Tls(),
        $"--client-ca-file={files.PathOf("ca.crt")}",
        $"--token-auth-file={files.PathOf("tokens.csv")}",
        "--authorization-mode=RBAC",
        $"--service-account-key-file={files.PathOf("service-accounts.key")}",
        $"--service-account-signing-key-file={files.PathOf("service-accounts.key")}",
        $"--service-account-issuer={Issuer}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none", // it would refuse to publish a loopback address
        // No controller makes service accounts' default tokens or lifts the taint that new nodes would be born with.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        // The one keeps each namespace's pods on its own nodes, the other asks who may set an owner, as OpenShift does.
        "--enable-admission-plugins=PodNodeSelector,OwnerReferencesPermissionEnforcement",
        $"--requestheader-client-ca-file={files.PathOf("front-proxy-ca.crt")}",
        "--requestheader-allowed-names=aggregator",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        $"--proxy-client-cert-file={files.PathOf("front-proxy.crt")}",
        $"--proxy-client-key-file={files.PathOf("front-proxy.key")}",
        .. options.ApiServer,
    ];

    public IEnumerable<string> ControllerManager() =>
    [
        .. Common(ports[3]),
        "--controllers=deployment,replicaset,statefulset,daemonset,job,horizontalpodautoscaling,endpoint,endpointslice,"
            + "garbagecollector,podgc,disruption,namespace,replicationcontroller,clusterrole-aggregation",
        "--horizontal-pod-autoscaler-sync-period=2s",
        "--horizontal-pod-autoscaler-downscale-stabilization=5s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
        .. options.ControllerManager,
    ];

    public IEnumerable<string> Scheduler() => [.. Common(ports[4]), .. options.Scheduler];

    /// <summary>The minor version that a program prints: 20 of "Kubernetes v1.20.2".</summary>
    private static int MinorVersion(string program)
    {
        using var asked = Process.Start(new ProcessStartInfo(program, "--version") { RedirectStandardOutput = true })!;
        var version = asked.StandardOutput.ReadToEnd();
        asked.WaitForExit();
        var match = Version().Match(version);
        return match.Success
            ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"{program} --version printed '{version.Trim()}', not Kubernetes v1.x");
    }

    [GeneratedRegex(@"v1\.(\d+)")]
    private static partial Regex Version();

    private IEnumerable<string> Tls() =>
        [$"--tls-cert-file={files.PathOf("server.crt")}", $"--tls-private-key-file={files.PathOf("server.key")}"];

    private IEnumerable<string> Common(int port) =>
    [
        $"--kubeconfig={files.PathOf("kubeconfig")}",
        "--bind-address=127.0.0.1",
        $"--secure-port={port}",
        .. _noPlainPort,
        .. Tls(),
        "--leader-elect=false",
        "--kube-api-qps=300", // the defaults would be what a test of thousands of pods waits for
        "--kube-api-burst=600",
    ];
}
