using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>A test of operators: a control plane of its own, since an operator looks at all of it, and a node of eight H100.</summary>
public abstract class OperatorTest : IAsyncLifetime
{
    private protected OperatedCluster Cluster { get; private set; } = null!;

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        Cluster = await OperatedCluster.StartAsync();
        await Cluster.QuickFleetAsync();
        await Cluster.Nodes.CreateAsync("h100", gpus: 8);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (Cluster is not null) await Cluster.DisposeAsync();
    }
}
