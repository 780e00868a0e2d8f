using k8s.Exceptions;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Commands;

/// <summary>Which cluster is meant, as kubectl would find it.</summary>
public sealed class ClusterReachTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("plimsoll-reach-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_variable_names_the_file_and_a_named_file_goes_before_it()
    {
        var (one, two) = (Written("one", 7001), Written("two", 7002));

        Assert.Equal("https://127.0.0.1:7001", ClusterReach.FromFiles(null, null, one).Host);
        Assert.Equal("https://127.0.0.1:7002", ClusterReach.FromFiles(two, null, one).Host);
    }

    [Fact]
    public void Of_several_files_the_first_says_which_context_is_meant_and_each_adds_its_own()
    {
        var missing = Path.Combine(_folder.FullName, "missing");
        var list = string.Join(Path.PathSeparator, missing, Written("one", 7001), Written("two", 7002), "");

        Assert.Equal("https://127.0.0.1:7001", ClusterReach.FromFiles(null, null, list).Host);
        Assert.Equal("https://127.0.0.1:7002", ClusterReach.FromFiles(null, "two", list).Host);
    }

    [Fact]
    public void Where_no_file_is_the_variable_and_what_it_says_are_named()
    {
        var missing = Path.Combine(_folder.FullName, "missing");

        var refused = Assert.Throws<KubeConfigException>(() => ClusterReach.FromFiles(null, null, missing));

        Assert.Equal($"KUBECONFIG is {missing}, where no file is", refused.Message);
    }

    private string Written(string name, int port)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, $$$"""
            apiVersion: v1
            kind: Config
            clusters: [{name: {{{name}}}, cluster: {server: "https://127.0.0.1:{{{port}}}"}}]
            users: [{name: {{{name}}}, user: {token: secret}}]
            contexts: [{name: {{{name}}}, context: {cluster: {{{name}}}, user: {{{name}}}}}]
            current-context: {{{name}}}
            """);
        return path;
    }
}
