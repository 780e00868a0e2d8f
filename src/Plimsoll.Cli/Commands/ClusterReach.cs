using System.CommandLine;
using k8s;
using k8s.Exceptions;
using Plimsoll.Kubernetes;

namespace Plimsoll.Cli.Commands;

/// <summary>What commands that work on a cluster have in common: how it is reached, and ports and names on the command line.</summary>
internal static class ClusterReach
{
    public const string KubeconfigVariable = "KUBECONFIG";
    public const string NamespaceOutside = "plimsoll-system";
    private const string NamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

    public static Option<string?> KubeconfigOption() =>
        new("--kubeconfig") { Description = "How to reach the cluster from outside; inside, the pod's own account is used", HelpName = "FILE" };

    /// <summary>The cluster, and in it the pod's own namespace.</summary>
    public static (KubernetesClientConfiguration Configuration, string? Namespace) Of(string? kubeconfig)
    {
        try
        {
            if (kubeconfig is null && KubernetesClientConfiguration.IsInCluster())
                return (KubernetesClientConfiguration.InClusterConfig(), File.Exists(NamespaceFile) ? File.ReadAllText(NamespaceFile).Trim() : null);
            return (FromFiles(kubeconfig, null, Environment.GetEnvironmentVariable(KubeconfigVariable)), null);
        }
        catch (Exception unusable) when (unusable is KubeConfigException or IOException or UnauthorizedAccessException or YamlDotNet.Core.YamlException)
        {
            throw new CommandException(ExitCode.BadInput, $"no cluster can be reached: {unusable.Message}; --kubeconfig with a file would do");
        }
    }

    /// <summary>
    /// As kubectl finds it: the file that is named, else of those of KUBECONFIG, where some may be missing, the one that has the
    /// context, else the one in the home folder. A context, its cluster and its user are taken from one file.
    /// </summary>
    /// <exception cref="KubeConfigException">No file is there, or what is in it names no cluster.</exception>
    public static KubernetesClientConfiguration FromFiles(string? kubeconfig, string? context, string? variable)
    {
        if (kubeconfig is not null || string.IsNullOrWhiteSpace(variable)) return KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig, context);
        var files = variable.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Where(File.Exists).Select(file => (Path: file, Read: KubernetesClientConfiguration.LoadKubeConfig(file))).ToArray();
        if (files.Length == 0) throw new KubeConfigException($"{KubeconfigVariable} is {variable}, where no file is");
        var wanted = context ?? files.Select(file => file.Read.CurrentContext).FirstOrDefault(name => !string.IsNullOrEmpty(name));
        var chosen = files.FirstOrDefault(file => file.Read.Contexts?.Any(one => one.Name == wanted) == true).Path ?? files[0].Path;
        return KubernetesClientConfiguration.BuildConfigFromConfigFile(chosen, wanted);
    }

    public static Option<int?> PortOption(string name, string description, int? usual)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = "PORT", DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 0 or > 65_535) result.AddError($"{name}: a port from 1 to 65535, or 0 for a free one, would do");
        });
        return option;
    }

    /// <summary>NAMESPACE/NAME of an object.</summary>
    public static Option<string?> ObjectOption(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "NAMESPACE/NAME" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && ObjectName.Parse(text) is null)
                result.AddError($"{name}: found \"{FleetFiles.Show.Text(text)}\"; a namespace and a name such as plimsoll-system/plimsoll-gateway would do");
        });
        return option;
    }
}
