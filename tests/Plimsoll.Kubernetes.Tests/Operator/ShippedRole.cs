using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>One verb on one resource.</summary>
internal sealed record Permission(string Verb, string Resource, string Group)
{
    /// <summary>How the operator names it when it lacks it.</summary>
    public string Lacking => $"the operator's role lacks the permission to {Verb} {Resource} in API group \"{Group}\"";

    public override string ToString() => $"{Verb} {Resource}.{Group}";
}

/// <summary>What deploy/operator/rbac.yaml grants, as shipped or with something taken out, for an account of any namespace.</summary>
internal static class ShippedRole
{
    private const string Account = "plimsoll-operator";

    internal static readonly IReadOnlyList<object> Objects = [.. KubernetesYaml.LoadAllFromString(File.ReadAllText(PathOf("operator/rbac.yaml")))];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Every verb on every resource; those on paths aside, which every account may get anyway.</summary>
    public static IReadOnlyList<Permission> Permissions { get; } = [.. PermissionsOf(Objects)];

    /// <summary>The same of other roles.</summary>
    public static IEnumerable<Permission> PermissionsOf(IEnumerable<object> objects) =>
        objects.SelectMany(RulesOf).Where(rule => rule.Resources is not null).SelectMany(rule =>
            from verb in rule.Verbs from resource in rule.Resources from part in rule.ApiGroups select new Permission(verb, resource, part));

    public static string PathOf(string file) => Path.Combine(AppContext.BaseDirectory, "deploy", file);

    /// <summary>Installs all but what is taken out, in a namespace of this name that is made for it, and gives its account.</summary>
    public static async Task<KubernetesClientConfiguration> InstallAsync(KubernetesControlPlane plane, string space, params Permission[] without)
    {
        await plane.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = space } }, cancellationToken: Cancel);
        return await BindAsync(plane, space, without);
    }

    /// <summary>The same in a namespace that is there.</summary>
    public static async Task<KubernetesClientConfiguration> BindAsync(KubernetesControlPlane plane, string space, params Permission[] without)
    {
        var client = plane.Client;
        var account = await plane.ForServiceAccountAsync(space, Account);
        V1ObjectMeta Here() => new() { Name = Account, NamespaceProperty = space };
        foreach (var item in Objects)
        {
            switch (item)
            {
                case V1ClusterRole role:
                    await client.RbacAuthorizationV1.CreateClusterRoleAsync(
                        new V1ClusterRole { Metadata = new() { Name = space }, Rules = Left(role.Rules, without) }, cancellationToken: Cancel);
                    break;
                case V1ClusterRoleBinding binding:
                    await client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(
                        new V1ClusterRoleBinding
                        {
                            Metadata = new() { Name = space },
                            RoleRef = new() { ApiGroup = binding.RoleRef.ApiGroup, Kind = binding.RoleRef.Kind, Name = space },
                            Subjects = [.. binding.Subjects.Select(subject => Moved(subject, space))],
                        }, cancellationToken: Cancel);
                    break;
                case V1Role role:
                    await client.RbacAuthorizationV1.CreateNamespacedRoleAsync(
                        new V1Role { Metadata = Here(), Rules = Left(role.Rules, without) }, space, cancellationToken: Cancel);
                    break;
                case V1RoleBinding binding:
                    await client.RbacAuthorizationV1.CreateNamespacedRoleBindingAsync(
                        new V1RoleBinding { Metadata = Here(), RoleRef = binding.RoleRef, Subjects = [.. binding.Subjects.Select(subject => Moved(subject, space))] },
                        space, cancellationToken: Cancel);
                    break;
            }
        }

        await TakesHoldAsync(account, space, Permissions.Except(without));
        return account;
    }

    // The authorizer learns of roles by watches of its own, a moment later.
    private static async Task TakesHoldAsync(KubernetesClientConfiguration account, string space, IEnumerable<Permission> granted)
    {
        using var own = new k8s.Kubernetes(account);
        foreach (var (verb, resource, part) in (Permission[])[granted.First(one => one.Verb is "list" or "watch"), granted.Last(one => one.Resource == "configmaps")])
        {
            await Patience.UntilAsync($"{space} may {verb} {resource}", async cancel => (await own.AuthorizationV1.CreateSelfSubjectAccessReviewAsync(
                new V1SelfSubjectAccessReview
                {
                    Spec = new() { ResourceAttributes = new() { Verb = verb, Resource = resource, Group = part, NamespaceProperty = space } },
                }, cancellationToken: cancel)).Status.Allowed);
        }
    }

    private static IList<V1PolicyRule> RulesOf(object item) => item switch
    {
        V1ClusterRole role => role.Rules,
        V1Role role => role.Rules,
        _ => [],
    };

    // A rule for each verb on each resource, so that one can be taken out.
    internal static List<V1PolicyRule> Left(IList<V1PolicyRule> rules, Permission[] without) =>
    [
        .. rules.Where(rule => rule.Resources is null),
        .. rules.Where(rule => rule.Resources is not null).SelectMany(rule =>
            from verb in rule.Verbs
            from resource in rule.Resources
            from part in rule.ApiGroups
            where !without.Contains(new Permission(verb, resource, part))
            select new V1PolicyRule { ApiGroups = [part], Resources = [resource], ResourceNames = rule.ResourceNames, Verbs = [verb] }),
    ];

    private static Rbacv1Subject Moved(Rbacv1Subject subject, string space) =>
        new() { Kind = subject.Kind, Name = subject.Name, NamespaceProperty = space };
}
