using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Packing;

public sealed class PackCommandTests : IDisposable
{
    private const string Nodes = "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\nn1,64000,262144,2,P100\n";
    private const string Pods = """
        name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
        p0,1000,1024,1,1000,,LS,Running,0,10,0
        p1,1000,1024,1,500,,LS,Running,1,10,1
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-pack-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task All_policies_are_listed_and_the_same_draws_give_the_same_bytes()
    {
        var (code, output, error) = await RunAsync(Nodes, Pods, "--policy", "all", "--seeds", "2");
        Assert.Equal((0, ""), (code, error));
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
        Assert.All(["random", "dotprod", "gpu-clustering", "gpu-packing", "best-fit", "fgd", "plimsoll"], name => Assert.Contains($"\n{name} ", output, StringComparison.Ordinal));
        Assert.Equal(output, (await RunAsync(Nodes, Pods, "--policy", "all", "--seeds", "2")).Output);
    }

    [Fact]
    public async Task What_is_allocated_is_what_fits()
    {
        // Whole devices only: four of them, all taken once as many are asked for.
        var whole = string.Join('\n', Pods.Split('\n')[..2]);
        var (code, output, _) = await RunAsync(Nodes, whole, "--policy", "fgd", "--seeds", "1", "--json");
        Assert.Equal(0, code);
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.Equal(("fgd", 100, 1), (listing.GetProperty("policy").GetString(), listing.GetProperty("allocationPercent").GetDouble(), listing.GetProperty("seeds").GetInt32()));
    }

    [Fact]
    public async Task Where_no_pod_arrives_at_what_is_read_there_is_no_reading_and_not_a_zero()
    {
        // Three devices of seven are as near as 130 % in clones of three comes to 100.
        const string Odd = "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,7,P100\n";
        var pods = string.Join('\n', Pods.Split('\n')[..2]).Replace("1024,1,1000", "1024,3,1000", StringComparison.Ordinal);
        var (code, output, _) = await RunAsync(Odd, pods, "--policy", "fgd", "--seeds", "2", "--json");
        Assert.Equal(0, code);
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.All(["allocationPercent", "leastPercent", "mostPercent"], field => Assert.False(listing.TryGetProperty(field, out _), field));
        Assert.InRange(listing.GetProperty("endAllocationPercent").GetDouble(), 85, 86);

        var table = (await RunAsync(Odd, pods, "--policy", "fgd", "--seeds", "2")).Output;
        Assert.DoesNotContain("0.00 to 0.00", table, StringComparison.Ordinal);
        Assert.Contains("\n-: no pod arrived while 99.5 to 100.5 % were asked for", table, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_of_device_memory_are_packed_where_asked_for()
    {
        var (code, output, error) = await RunAsync(Nodes, Pods, "--policy", "plimsoll", "--by", "bytes", "--json");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal("bytes", JsonDocument.Parse(output).RootElement.GetProperty("by").GetString());

        var (unknown, _, problem) = await RunAsync(Nodes.Replace("P100", "B1", StringComparison.Ordinal), Pods, "--policy", "fgd", "--by", "bytes");
        Assert.Equal(ExitCode.BadInput, unknown);
        Assert.Contains("nodes.csv: model 'B1' is not in the catalogue of devices", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--by is 'pods'; thousandths or bytes would do", "--policy", "fgd", "--by", "pods")]
    [InlineData("--policy is 'first-fit'; random,", "--policy", "first-fit")]
    [InlineData("--seeds is 0; 1 to 1000 would do", "--policy", "fgd", "--seeds", "0")]
    public async Task What_cannot_be_run_is_said(string problem, params string[] options)
    {
        var (code, output, error) = await RunAsync(Nodes, Pods, options);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sn,cpu\n", Pods, "nodes.csv")]
    [InlineData("sn,cpu_milli,memory_mib,gpu,model\nn0,many,262144,2,P100\n", Pods, "many")]
    [InlineData(Nodes, "name\np0\n", "pods.csv")]
    public async Task A_list_that_cannot_be_read_is_named(string nodes, string pods, string problem)
    {
        var (code, _, error) = await RunAsync(nodes, pods, "--policy", "fgd");
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task A_list_that_would_never_ask_for_all_devices_is_refused()
    {
        var lines = Enumerable.Range(0, 3000).Select(pod => $"c{pod},1,1,0,0,");
        var (code, _, error) = await RunAsync(Nodes, $"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\np0,1,1,1,1,\n{string.Join('\n', lines)}\n", "--policy", "fgd", "--seeds", "2");
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("pods.csv: more than 5,000,000 pods would have to arrive to ask for 130 % of the devices; pods that ask for more of them", error, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(string nodes, string pods, params string[] options)
    {
        var (nodesFile, podsFile) = (Path.Combine(_folder, "nodes.csv"), Path.Combine(_folder, "pods.csv"));
        await File.WriteAllTextAsync(nodesFile, nodes, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(podsFile, pods, TestContext.Current.CancellationToken);
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["pack", "--nodes", nodesFile, "--pods", podsFile, .. options], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
