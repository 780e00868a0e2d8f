using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>The command <c>plimsoll operator</c> as a process of its own, to be killed as one.</summary>
internal static class OperatorProcess
{
    /// <summary>The command line, as it is built beside the tests.</summary>
    public static string Program => Path.Combine(AppContext.BaseDirectory, "Plimsoll.Cli");

    public static ServerChild Start(KubernetesControlPlane plane, string space, IEnumerable<string>? environment = null, params string[] arguments) =>
        ServerChild.Start("env",
        [
            .. environment ?? [], Program, "operator", "--kubeconfig", plane.Kubeconfig, "--namespace", space, "--health-port", "0", "--metrics-port", "0",
            .. arguments,
        ]);
}
