using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>What deploy/gateway ships.</summary>
public sealed class GatewayManifestsTests(SharedControlPlane shared) : ClusterTest(shared)
{
    private static T Read<T>(string file) => KubernetesYaml.Deserialize<T>(File.ReadAllText(GatewayGround.PathOf(file)));

    [Fact]
    public void The_Deployment_is_restricted_and_gives_the_end_its_time()
    {
        var deployment = Read<V1Deployment>("deployment.yaml");
        var pod = deployment.Spec.Template.Spec;
        Assert.True(deployment.Spec.Replicas >= 2);
        Assert.Equal(ClusterGatewayOptions.UsualName, deployment.Metadata.Name);

        // What the pod security standard "restricted" asks for; a 1.20 server does not check it.
        Assert.True(pod.SecurityContext is { RunAsNonRoot: true, SeccompProfile.Type: "RuntimeDefault" });
        var container = Assert.Single(pod.Containers);
        Assert.True(container.SecurityContext is { AllowPrivilegeEscalation: false, ReadOnlyRootFilesystem: true, Privileged: null });
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
        var usual = new ClusterGatewayOptions { Workload = default, Gateway = new() };
        Assert.True(pod.TerminationGracePeriodSeconds >= (usual.EndTime + usual.Gateway.ShutdownTime).TotalSeconds);
        Assert.Equal(ClusterGatewayOptions.UsualAdminPort, container.Ports.Single(port => port.Name == "admin").ContainerPort);
        Assert.Equal(container.Ports.Single(port => port.Name == "http").Name, Read<V1Service>("service.yaml").Spec.Ports.Single().TargetPort.Value);
        Assert.Equal(deployment.Spec.Template.Metadata.Labels, Read<V1Service>("service.yaml").Spec.Selector);
        Assert.Equal(deployment.Spec.Template.Metadata.Labels, Read<V1PodDisruptionBudget>("poddisruptionbudget.yaml").Spec.Selector.MatchLabels);
    }

    [Fact]
    public void Its_role_reads_two_kinds_and_writes_nothing()
    {
        var role = KubernetesYaml.LoadAllFromString(File.ReadAllText(GatewayGround.PathOf("rbac.yaml"))).OfType<V1ClusterRole>().Single();
        Assert.Equal(["pods", "scaledmodels"], role.Rules.SelectMany(rule => rule.Resources).Order(StringComparer.Ordinal));
        Assert.Equal(["list", "watch"], role.Rules.SelectMany(rule => rule.Verbs).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_it_ships_is_taken_by_the_API_server()
    {
        // The PodDisruptionBudget's version is not served by 1.20: the same in the version that is.
        var folder = Directory.CreateTempSubdirectory("plimsoll-gateway-");
        try
        {
            foreach (var file in Directory.GetFiles(GatewayGround.PathOf(""), "*.yaml"))
            {
                var text = (await File.ReadAllTextAsync(file, Cancel)).Replace("plimsoll-system", Namespace.Name, StringComparison.Ordinal);
                if ((await Client.Version.GetCodeAsync(Cancel)).Minor.TrimEnd('+') == "20") text = text.Replace("policy/v1\n", "policy/v1beta1\n", StringComparison.Ordinal);
                await File.WriteAllTextAsync(Path.Combine(folder.FullName, Path.GetFileName(file)), text, Cancel);
            }

            var said = await Kubectl.RunAsync(ControlPlane, "apply", "-k", folder.FullName);
            Assert.Equal(7, said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        }
        finally
        {
            folder.Delete(recursive: true);
            await Client.RbacAuthorizationV1.DeleteClusterRoleAsync("plimsoll-gateway", cancellationToken: CancellationToken.None);
            await Client.RbacAuthorizationV1.DeleteClusterRoleBindingAsync("plimsoll-gateway", cancellationToken: CancellationToken.None);
        }
    }
}
