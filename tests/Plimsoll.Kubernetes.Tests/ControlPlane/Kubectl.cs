using System.Diagnostics;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>The kubectl beside the control plane's programs, as the administrator.</summary>
/// <param name="Program">Its path.</param>
/// <param name="Kubeconfig">The administrator's.</param>
public sealed record Kubectl(string Program, string Kubeconfig)
{
    /// <summary>Runs it and returns what it printed; the test fails where it does, or where with <c>CI=true</c> there is none.</summary>
    public static async Task<string> RunAsync(KubernetesControlPlane plane, params string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(plane);
        if (plane.Kubectl is not { } kubectl)
        {
            Assert.NotEqual("true", Environment.GetEnvironmentVariable("CI"));
            Assert.Skip("kubectl is not beside the control plane's programs");
            return "";
        }

        // A cache of its own: kubectl keeps for minutes what it found at an address, and another server may have had this port.
        var cache = Directory.CreateTempSubdirectory("plimsoll-kubectl-");
        try
        {
            var start = new ProcessStartInfo(kubectl.Program, ["--kubeconfig", kubectl.Kubeconfig, "--cache-dir", cache.FullName, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            var cancel = TestContext.Current.CancellationToken;
            using var process = Process.Start(start)!;
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancel), process.StandardError.ReadToEndAsync(cancel));
            await process.WaitForExitAsync(cancel);
            Assert.True(process.ExitCode == 0, $"kubectl {string.Join(' ', arguments)}: {await output}{await errors}");
            return await output;
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    /// <summary>The same of what the server publishes some time after its objects are served, as names and schemas are.</summary>
    public static async Task<string> RunUntilAsync(KubernetesControlPlane plane, string expected, params string[] arguments)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var said = await RunAsync(plane, arguments);
                Assert.Contains(expected, said, StringComparison.Ordinal);
                return said;
            }
            catch (Exception unpublished) when (unpublished is Xunit.Sdk.IAssertionException && attempt < 60)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, TestContext.Current.CancellationToken);
            }
        }
    }
}
