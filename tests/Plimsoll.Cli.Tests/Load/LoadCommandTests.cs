using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Tests.Load;

public sealed class LoadCommandTests
{
    [Fact]
    public async Task A_trace_goes_to_the_models_it_names_and_the_cap_is_said()
    {
        await using var server = await FakeModelServer.StartAsync((_, _) => Task.CompletedTask);
        using var file = new TemporaryFile("seconds,model,size\n0,a,16\n1,b,9000\n2,a,20\n");

        var (code, output, _) = await RunAsync(
            "--url", server.Address.ToString(), "--trace", file.Path, "--speed-up", "100", "--sequence-length", "64", "--json");

        Assert.Equal(0, code);
        using var report = JsonDocument.Parse(output);
        Assert.Equal([2, 1], report.RootElement.GetProperty("models").EnumerateArray().Select(m => m.GetProperty("succeeded").GetInt32()));
        Assert.Contains("Sizes above 64 tokens were cut to it (the trace's longest: 9000).",
            report.RootElement.GetProperty("notes").EnumerateArray().Select(note => note.GetString()));
    }

    [Fact]
    public async Task A_rate_is_sent_for_its_duration_and_printed_as_a_table()
    {
        await using var server = await FakeModelServer.StartAsync((_, _) => Task.CompletedTask);

        var (code, output, _) = await RunAsync(
            "--url", server.Address.ToString(), "--model", "m", "--rate", "100", "--duration", "500ms", "--slo", "30s");

        Assert.Equal(0, code);
        var expected = Schedules.Poisson(ModelId.Of("m"), 100, TimeSpan.FromMilliseconds(500), 128, 1).Count();
        Assert.Equal(expected, server.Arrived);
        Assert.Contains("100.00%", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_nobody_serves_is_said_before_anything_is_sent()
    {
        await using var server = await FakeModelServer.StartAsync((_, _) => Task.CompletedTask, context =>
        {
            context.Response.StatusCode = 404;
            return Task.CompletedTask;
        });

        var (code, _, error) = await RunAsync("--url", server.Address.ToString(), "--model", "m", "--rate", "100");

        Assert.Equal(1, code);
        Assert.Equal($"plimsoll load: {server.Address} serves no model 'm'.", error.TrimEnd());
        Assert.Equal(0, server.Arrived);
    }

    [Fact]
    public async Task Failing_requests_alone_are_a_failed_run()
    {
        await using var server = await FakeModelServer.StartAsync((_, context) =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });

        var (code, output, _) = await RunAsync(
            "--url", server.Address.ToString(), "--model", "m", "--rate", "100", "--duration", "200ms");

        Assert.Equal(1, code);
        Assert.Contains("x HTTP 500.", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_in_which_nothing_is_due_says_so()
    {
        await using var server = await FakeModelServer.StartAsync((_, _) => Task.CompletedTask);

        var (code, _, error) = await RunAsync("--url", server.Address.ToString(), "--model", "m", "--rate", "0.001", "--duration", "10ms");

        Assert.Equal(1, code);
        Assert.Equal("plimsoll load: no request was due in that time; a longer --duration, a higher rate or another --seed would do", error.TrimEnd());
    }

    [Theory]
    [InlineData("Give either --rate R or --trace FILE.", "--model", "m")]
    [InlineData("Give the model with --model NAME.", "--rate", "5")]
    [InlineData("/no/such.csv: there is no such file", "--model", "m", "--trace", "/no/such.csv")]
    public async Task A_combination_that_makes_no_sense_is_one_sentence(string expected, params string[] arguments)
    {
        var (code, _, error) = await RunAsync(arguments);

        Assert.Equal(2, code);
        Assert.Equal($"plimsoll load: {expected}", error.TrimEnd());
    }

    [Theory]
    [InlineData("--rate is '0'; expected a number above 0", "--rate", "0")]
    [InlineData("--duration is '5 parsecs'; expected a time above zero", "--duration", "5 parsecs")]
    [InlineData("--sequence-length is '-3'; expected a whole number from 1", "--sequence-length", "-3")]
    [InlineData("--seed is 'x'; expected a whole number", "--seed", "x")]
    [InlineData("--url is 'nowhere'; expected an address", "--url", "nowhere")]
    [InlineData("--url is 'ftp://x'; expected an address", "--url", "ftp://x")]
    public void A_value_that_cannot_be_read_is_named_with_what_would_do(string expected, params string[] arguments)
    {
        var errors = LoadCommand.Create(TimeProvider.System).Parse(arguments).Errors;

        Assert.StartsWith(expected, Assert.Single(errors).Message, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await LoadCommand.Create(TimeProvider.System).Parse(arguments).InvokeAsync(
            new InvocationConfiguration { Output = output, Error = error }, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
