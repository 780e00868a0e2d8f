using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Weighing;

public sealed class CapacityCommandTests : IDisposable
{
    private const string Llama = """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
         "max_position_embeddings": 131072, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-capacity-").FullName;

    public CapacityCommandTests() => File.WriteAllText(Path.Combine(_folder, "config.json"), Llama);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Two_replicas_carry_twice_as_much_or_more_and_a_tight_objective_less()
    {
        var one = await RateAsync("--input-tokens", "1000", "--output-tokens", "200", "--slo", "ttft-p95=1s,tpot-p99=60ms");
        var two = await RateAsync("--input-tokens", "1000", "--output-tokens", "200", "--slo", "ttft-p95=1s,tpot-p99=60ms", "--replicas", "2");
        var tight = await RateAsync("--input-tokens", "1000", "--output-tokens", "200", "--slo", "ttft-p95=1s,tpot-p99=15ms");

        Assert.InRange(one, 1, 100);
        Assert.True(two >= 1.98 * one, $"{two} of two, {one} of one");
        Assert.True(tight < one, $"{tight} within 15 ms, {one} within 60");
    }

    [Fact]
    public async Task Lengths_come_from_a_trace_whatever_its_other_columns()
    {
        var trace = Path.Combine(_folder, "trace.csv");
        await File.WriteAllTextAsync(trace, "TIMESTAMP,ContextTokens,GeneratedTokens\nx,100,10\nx,300,30\nx,0,5\n", TestContext.Current.CancellationToken);
        var (code, output, error) = await RunAsync("--lengths", trace, "--slo", "e2e-p90=10s", "--json");

        Assert.Equal((0, ""), (code, error));
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.Equal(200, listing.GetProperty("meanInputTokens").GetDouble());
        Assert.Equal(20, listing.GetProperty("meanOutputTokens").GetDouble());
        Assert.Equal("e2e-p90=10s", listing.GetProperty("slo")[0].GetString());
    }

    [Theory]
    [InlineData("ttft-p99.999=1s")]
    [InlineData("e2e-p50=250ms")]
    public void An_objective_is_shown_as_it_was_said(string said) => Assert.Equal(said, Plimsoll.Cli.Weighing.SloText.Of(Plimsoll.Cli.Weighing.SloText.Parse(said).Single()));

    [Fact]
    public async Task A_profile_stands_for_the_model_and_the_device()
    {
        const string times = "1=8ms,8=18ms,32=52ms,64=98ms";
        var (code, output, error) = await ProfiledAsync("--profile", times, "--slo", "e2e-p95=100ms", "--replicas", "2", "--json");
        Assert.Equal((0, ""), (code, error));
        var two = JsonDocument.Parse(output).RootElement;
        Assert.Equal(4, two.GetProperty("batches").GetArrayLength());
        Assert.InRange(two.GetProperty("requestsPerSecond").GetDouble(), 800, 2 * 64 / 0.098);

        (code, output, _) = await ProfiledAsync("--profile", times, "--slo", "e2e-p95=100ms");
        Assert.Equal(0, code);
        Assert.Contains("requests a second, within", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));

        (code, output, _) = await ProfiledAsync("--profile", times, "--slo", "e2e-p95=5ms");
        Assert.Equal(3, code);
        Assert.Contains("CANNOT KEEP e2e-p95=5ms", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1=8ms", "ttft-p95=1s", "--slo has 'ttft-p95=1s', and with a profile a request is answered at once; terms of e2e would do, such as e2e-p95=100ms")]
    [InlineData("8ms", "e2e-p95=1s", "--profile has '8ms'; requests of a batch and how long it takes would do, such as 1=8ms,8=18ms,32=52ms")]
    [InlineData("1=8ms,1=9ms", "e2e-p95=1s", "--profile: found two times for a batch of 1; one would do")]
    public async Task What_is_wrong_with_a_profile_is_said(string times, string slo, string sentence)
    {
        var (code, _, error) = await ProfiledAsync("--profile", times, "--slo", slo);
        Assert.Equal(2, code);
        Assert.Contains(sentence, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_is_readable_in_eighty_columns()
    {
        var (code, output, _) = await RunAsync("--input-tokens", "1000", "--output-tokens", "200", "--slo", "ttft-p95=1s");

        Assert.Equal(0, code);
        Assert.Contains("requests a second, within", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n').Skip(1), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task An_objective_that_nothing_keeps_is_said_with_the_exit_code_of_a_refusal()
    {
        var (code, output, _) = await RunAsync("--input-tokens", "1000", "--output-tokens", "200", "--slo", "tpot-p99=0.1ms");

        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("CANNOT KEEP tpot-p99=0.1ms", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--slo has 'ttft'", "--slo", "ttft", "--input-tokens", "9", "--output-tokens", "9")]
    [InlineData("--slo has 'ttft-p100=1s'", "--slo", "ttft-p100=1s", "--input-tokens", "9", "--output-tokens", "9")]
    [InlineData("--slo has 'itl-p99=60ms'", "--slo", "itl-p99=60ms", "--input-tokens", "9", "--output-tokens", "9")]
    [InlineData("--slo has 'tpot-p99=NaNs'", "--slo", "tpot-p99=NaNs", "--input-tokens", "9", "--output-tokens", "9")]
    [InlineData("the lengths of requests are missing", "--slo", "ttft-p95=1s", "--input-tokens", "9")]
    [InlineData("there is no such file", "--slo", "ttft-p95=1s", "--lengths", "/nowhere/trace.csv")]
    public async Task What_cannot_be_meant_is_refused_in_a_sentence(string sentence, params string[] arguments)
    {
        var (code, _, error) = await RunAsync(arguments);

        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(sentence, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trace_without_the_columns_says_which_are_known()
    {
        var trace = Path.Combine(_folder, "trace.csv");
        await File.WriteAllTextAsync(trace, "a,b\n1,2\n", TestContext.Current.CancellationToken);
        var (code, _, error) = await RunAsync("--lengths", trace, "--slo", "ttft-p95=1s");

        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("trace.csv:1: the header names no column of prompt tokens; known are ContextTokens", error, StringComparison.Ordinal);
    }

    private async Task<double> RateAsync(params string[] arguments)
    {
        var (code, output, error) = await RunAsync([.. arguments, "--json"]);
        Assert.Equal((0, ""), (code, error));
        return JsonDocument.Parse(output).RootElement.GetProperty("requestsPerSecond").GetDouble();
    }

    private Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => ProfiledAsync([_folder, "--device", "h100-80gb", .. arguments]);

    private static async Task<(int Code, string Output, string Error)> ProfiledAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(["capacity", .. arguments], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
