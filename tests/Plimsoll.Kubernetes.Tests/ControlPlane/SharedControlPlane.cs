using System.Text.RegularExpressions;
using Plimsoll.Kubernetes.Tests.ControlPlane;

[assembly: AssemblyFixture(typeof(SharedControlPlane))]

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>The one control plane of all test classes; it starts when the first of them asks.</summary>
public sealed class SharedControlPlane : IAsyncDisposable
{
    private readonly Lazy<Task<KubernetesControlPlane>> _started = new(() => KubernetesControlPlane.StartAsync());

    /// <summary>Skips the test where the programs are missing; fails it where CI is true.</summary>
    public Task<KubernetesControlPlane> StartedAsync()
    {
        ControlPlaneBinaries.FolderOrSkip(); // here, so that each test skips by itself
        return _started.Value;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_started.IsValueCreated || !_started.Value.IsCompletedSuccessfully) return;
        await (await _started.Value).DisposeAsync();
    }
}

/// <summary>A test on the shared control plane, in a namespace of its own. A failed one quotes the servers' logs.</summary>
public abstract partial class ClusterTest(SharedControlPlane shared) : IAsyncLifetime
{
    protected KubernetesControlPlane ControlPlane { get; private set; } = null!;

    protected TestNamespace Namespace { get; private set; } = null!;

    /// <summary>The administrator's client.</summary>
    protected k8s.Kubernetes Client => ControlPlane.Client;

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync()
    {
        ControlPlane = await shared.StartedAsync();
        var hint = WordStart().Replace(GetType().Name, "-$0").Trim('-').ToLowerInvariant();
        Namespace = await TestNamespace.CreateAsync(Client, hint.Length <= 40 ? hint : hint[..40].TrimEnd('-'));
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (Namespace is null) return; // skipped, or the control plane did not start
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(ControlPlane.LogEnds());
        await Namespace.DisposeAsync();
    }

    [GeneratedRegex("[A-Z]")]
    private static partial Regex WordStart();
}
