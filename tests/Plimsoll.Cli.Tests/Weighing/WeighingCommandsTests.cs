using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Weighing;

/// <summary>The commands over a folder with the published configuration of Llama 3.1 8B, whose numbers are known.</summary>
public sealed class WeighingCommandsTests : IDisposable
{
    private const string Llama = """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
         "max_position_embeddings": 131072, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-weighing-").FullName;

    public WeighingCommandsTests() => File.WriteAllText(Path.Combine(_folder, "config.json"), Llama);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Inspect_tells_what_a_configuration_alone_says()
    {
        var (code, output, error) = await RunAsync("inspect", _folder, "--json");

        Assert.Equal((0, ""), (code, error));
        var report = JsonDocument.Parse(output).RootElement;
        Assert.Equal(8_030_261_248, report.GetProperty("parameters").GetInt64());
        Assert.Equal(8_030_261_248, report.GetProperty("activeParameters").GetInt64());
        Assert.Equal(16_060_522_496, report.GetProperty("weightBytes").GetInt64());
        Assert.Equal(131_072, report.GetProperty("kvBytesPerToken").GetInt64());
        Assert.True(report.GetProperty("diskBytes").GetInt64() >= 16_060_522_496);
        Assert.Contains(report.GetProperty("provenance").EnumerateArray(),
            one => one.GetProperty("number").GetString() == "weightBytes" && one.GetProperty("certainty").GetString() == "exact");
        Assert.Equal(16_060_522_496, Assert.Single(report.GetProperty("byDtype").EnumerateArray()).GetProperty("weightBytes").GetInt64());
    }

    [Fact]
    public async Task Inspect_is_readable_in_eighty_columns()
    {
        var (code, output, _) = await RunAsync("inspect", _folder);

        Assert.Equal(0, code);
        Assert.Contains("8,030,261,248", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n').Skip(1), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task Fit_says_yes_with_the_terms_adding_up()
    {
        var (code, output, error) = await RunAsync("fit", _folder, "--device", "h100-80gb", "--context", "8192", "--concurrency", "16",
            "--memory-fraction", "0.9", "--engine", "vllm", "--kv-dtype", "auto", "--tp", "1", "--pp", "1", "--json");

        Assert.Equal((0, ""), (code, error));
        var fit = JsonDocument.Parse(output).RootElement;
        Assert.True(fit.GetProperty("fits").GetBoolean());
        var device = fit.GetProperty("perDevice");
        // 16 sequences of 8,192 tokens at 128 KiB each.
        Assert.Equal(17_179_869_184, device.GetProperty("kvBytes").GetInt64());
        Assert.Equal(device.GetProperty("totalBytes").GetInt64(), device.GetProperty("weightBytes").GetInt64() + device.GetProperty("kvBytes").GetInt64()
            + device.GetProperty("activationBytes").GetInt64() + device.GetProperty("overheadBytes").GetInt64());
        Assert.True(device.GetProperty("totalBytes").GetInt64() <= device.GetProperty("budgetBytes").GetInt64());
        Assert.True(fit.GetProperty("kvTokens").GetInt64() > 300_000);
        Assert.True(fit.GetProperty("maxConcurrency").GetInt32() >= 16);
    }

    [Theory]
    [InlineData]
    [InlineData("--device", "l4-24gb")]
    public async Task Fit_of_what_is_no_model_says_that_it_is_not_known(params string[] options)
    {
        var parent = Directory.CreateTempSubdirectory("plimsoll-no-model-").FullName;
        await File.WriteAllTextAsync(Path.Combine(parent, "notes.txt"), "nothing to weigh", TestContext.Current.CancellationToken);
        try
        {
            var (code, output, error) = await RunAsync(["fit", parent, .. options]);

            Assert.Equal((ExitCode.Refused, ""), (code, output));
            Assert.Contains("what it takes is not known", error, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(parent, recursive: true);
        }
    }

    [Fact]
    public async Task Fit_says_no_with_the_number_missing_and_what_would_do()
    {
        var (code, output, error) = await RunAsync("fit", _folder, "--device", "t4-16gb", "--context", "8192");

        Assert.Equal((3, ""), (code, error));
        Assert.Contains("DOES NOT FIT", output, StringComparison.Ordinal);
        Assert.Contains("it would with", string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.All(output.Split('\n').Skip(1), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task Fit_says_what_the_memory_is_a_share_of_and_cuts_no_rule_off()
    {
        var (code, output, _) = await RunAsync("fit", _folder, "--device", "h100-80gb", "--context", "8192", "--engine", "sglang", "--memory-share", "0.5",
            "--memory-fraction", "0.8", "--kv-dtype", "fp8");

        var words = string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(0, code);
        Assert.Contains("KV cache in fp8, 0.8 of a share of 0.5 of the memory", words, StringComparison.Ordinal);
        Assert.Contains("the device's context, captured graphs and the working set of a step", words, StringComparison.Ordinal);
        // SGLang's fraction has no working set in it, so there is no row for one.
        Assert.DoesNotContain("activation", output, StringComparison.Ordinal);
        Assert.Contains("There are no weights beside config.json", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_what_nothing_is_known_of_is_not_said_not_to_fit()
    {
        var file = Path.Combine(_folder, "notes.txt");
        File.WriteAllText(file, "no model");
        var (code, output, _) = await RunAsync("train-fit", file, "--device", "h100-80gb");

        Assert.Equal(3, code);
        Assert.Contains("NOT KNOWN: the architecture is not known", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fit_without_a_device_lists_the_smallest_shape_on_each()
    {
        var (code, output, _) = await RunAsync("fit", _folder, "--context", "8192", "--json");

        Assert.Equal(0, code);
        var shapes = JsonDocument.Parse(output).RootElement.GetProperty("shapes").EnumerateArray().ToDictionary(one => one.GetProperty("device").GetString()!);
        Assert.Equal(1, shapes["h100-80gb"].GetProperty("devices").GetInt32());
        // 15 GiB of weights on cards of 14.56 GiB.
        Assert.Equal(2, shapes["t4-16gb"].GetProperty("devices").GetInt32());
        var (_, table, _) = await RunAsync("fit", _folder, "--context", "8192");
        Assert.All(table.Split('\n').Skip(1), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task Train_fit_says_whether_a_run_fits_and_which_term_does_not()
    {
        var (code, output, error) = await RunAsync("train-fit", _folder, "--device", "h100-80gb", "--dp", "1", "--json");

        Assert.Equal((3, ""), (code, error));
        var fit = JsonDocument.Parse(output).RootElement;
        Assert.False(fit.GetProperty("fits").GetBoolean());
        var device = fit.GetProperty("perDevice");
        // Mixed-precision AdamW: 2 + 2 + 12 bytes a parameter.
        Assert.Equal(8_030_261_248 * 2, device.GetProperty("weightBytes").GetInt64());
        Assert.Equal(8_030_261_248 * 2, device.GetProperty("gradientBytes").GetInt64());
        Assert.Equal(8_030_261_248 * 12, device.GetProperty("optimizerBytes").GetInt64());
        Assert.Equal("optimizer", fit.GetProperty("failure").GetProperty("term").GetString());
    }

    [Fact]
    public async Task Copies_in_one_replica_are_whole_but_for_what_experts_they_share()
    {
        async Task<JsonElement> Of(params string[] options)
        {
            var (_, output, error) = await RunAsync(["fit", _folder, "--device", "h100-80gb", "--context", "8192", "--json", .. options]);
            Assert.Equal("", error);
            return JsonDocument.Parse(output).RootElement;
        }

        var (one, two) = (await Of(), await Of("--dp", "2"));
        Assert.False(one.GetProperty("variant").TryGetProperty("dataParallel", out _));
        Assert.Equal((1, 2, 2), (one.GetProperty("variant").GetProperty("devices").GetInt32(), two.GetProperty("variant").GetProperty("devices").GetInt32(), two.GetProperty("variant").GetProperty("dataParallel").GetInt32()));
        // It has no experts: each device has all of it.
        Assert.Equal(one.GetProperty("perDevice").GetProperty("weightBytes").GetInt64(), two.GetProperty("perDevice").GetProperty("weightBytes").GetInt64());
        var (_, table, _) = await RunAsync("fit", _folder, "--device", "h100-80gb", "--context", "8192", "--dp", "2");
        Assert.Contains("2 × h100-80gb (tp 1, dp 2)", table, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Train_fit_without_a_split_finds_the_smallest_cluster()
    {
        var (code, output, _) = await RunAsync("train-fit", _folder, "--device", "h100-80gb", "--recompute", "full", "--json");

        Assert.Equal(0, code);
        var fit = JsonDocument.Parse(output).RootElement;
        // 128 GB of model states: two cards of 79 GiB hold them sharded, one does not.
        Assert.Equal((true, 2), (fit.GetProperty("smallest").GetBoolean(), fit.GetProperty("devices").GetInt32()));
        var (_, table, _) = await RunAsync("train-fit", _folder, "--device", "h100-80gb", "--method", "qlora");
        Assert.Contains("fits: ", table, StringComparison.Ordinal);
        Assert.All(table.Split('\n').Skip(1), line => Assert.True(line.Length <= 80, line));
    }

    [Theory]
    [InlineData("--device is 'h100-8gb', which the catalogue has not; did you mean", 2, "--device", "h100-8gb")]
    [InlineData("--tp, --pp, --dp and --ep split a model over a --device; name one", 2, "--tp", "8")]
    [InlineData("--tp is '0'; expected a whole number from 1 to 1024.", 2, "--tp", "0")]
    [InlineData("--dp is 2, and llama.cpp has no copies in one replica; vllm and sglang have", 2, "--device", "h100-80gb", "--engine", "llama.cpp", "--dp", "2")]
    [InlineData("--tp, --pp, --dp and --ep split a model over a --device; name one", 2, "--dp", "8")]
    [InlineData("--memory-fraction is '90'; expected a share above 0, at most 1, such as 0.9.", 2, "--memory-fraction", "90")]
    [InlineData("--engine is 'vlm'; expected vllm, sglang, tgi, llama.cpp or triton, such as vllm@0.19.", 2, "--engine", "vlm")]
    public async Task A_mistyped_option_is_one_sentence(string sentence, int expected, params string[] options)
    {
        var (code, _, error) = await RunAsync(["fit", _folder, .. options]);

        Assert.Equal(expected, code);
        Assert.Contains(sentence, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hub_name_without_its_scheme_is_told_the_address()
    {
        var (code, _, error) = await RunAsync("inspect", "meta-llama/Llama-3.1-8B");

        Assert.Equal(1, code);
        Assert.StartsWith("plimsoll: meta-llama/Llama-3.1-8B does not exist", error, StringComparison.Ordinal);
        Assert.EndsWith(" hf://meta-llama/Llama-3.1-8B would name a model of the hub.\n", error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        return (await CommandLine.RunAsync(args, output, error, TimeProvider.System), output.ToString(), error.ToString());
    }
}
