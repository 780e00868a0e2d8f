using System.CommandLine;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Commands;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("up --port many", "plimsoll: --port is 'many'; expected a whole number from 0 to 65535.")]
    [InlineData("up --prot", "plimsoll: There is no option --prot.")]
    [InlineData("models create x --size 3kg", "plimsoll: --size is '3kg'; expected a size from 256 KiB to 64.0 GiB, such as 250MB.")]
    [InlineData("up --mode foo", "plimsoll: Argument 'foo' not recognized. Must be one of: 'observe', 'recommend', 'act'")]
    [InlineData("models create x", "plimsoll models create --help shows what it takes")]
    [InlineData("import prometheus", "plimsoll import prometheus --help shows what it takes")]
    [InlineData("fit x --tp 2,4", "plimsoll: --tp is '2,4'; expected a whole number from 1 to 1024.")]
    [InlineData("history --since soon", "plimsoll: --since is 'soon'; expected a time above zero like 200ms, 30s, 4m or 1h.")]
    public async Task Bad_usage_is_one_sentence_and_exit_code_2(string line, string sentence)
    {
        var (code, _, error) = await RunAsync(line.Split(' '));

        Assert.Equal(2, code);
        Assert.Contains(sentence, error.Split('\n'));
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("FLEET: found \"\"; a path would do, or leave it out", "up", "")]
    [InlineData("--state: found \"\"; the path of a folder would do, or leave it out", "up", "fleet.yaml", "--state", "")]
    [InlineData("FLEET: found \"\"; a path would do", "plan", "")]
    [InlineData("SCENARIO: found \"\"; the path of a file would do", "simulate", "")]
    [InlineData("SCENARIO: found \"\"; the path of a file would do", "tune", "")]
    [InlineData("FILE: found \"\"; the path of a file would do", "import", "")]
    [InlineData("SERVER: found \"\"; an address or the path of a file would do", "import", "prometheus", "")]
    [InlineData("TRACE: found \"\"; the path of a file would do", "compare", "", "--hpa", "hpa.yaml")]
    [InlineData("--hpa: found \"\"; the path of a file would do", "compare", "trace.csv", "--hpa", "")]
    public async Task An_empty_argument_as_of_a_variable_that_is_not_set_is_bad_usage(string sentence, params string[] args)
    {
        var (code, output, error) = await RunAsync(args);

        Assert.Equal((2, ""), (code, output));
        Assert.Equal("plimsoll: " + sentence, error.Split('\n')[0]);
    }

    [Fact]
    public void Every_text_that_is_empty_is_refused()
    {
        var root = CommandLine.Create(TimeProvider.System);
        var commands = new List<Command> { root };
        for (var i = 0; i < commands.Count; i++) commands.AddRange(commands[i].Subcommands);
        foreach (var command in commands)
        {
            foreach (var option in command.Options.Where(option => option.ValueType == typeof(string)))
            {
                var result = command.Parse([option.Name, ""]);
                Assert.True(result.Errors.Any(error => error.Message.Contains(option.Name, StringComparison.Ordinal)), $"{command.Name} {option.Name}");
            }
        }
    }

    [Fact]
    public async Task A_fleet_file_with_mistakes_is_exit_code_2()
    {
        var (code, _, error) = await RunAsync("up", "/nowhere/fleet.yaml");

        Assert.Equal(2, code);
        Assert.Equal("plimsoll: /nowhere/fleet.yaml:1:1: there is no such file\n", error);
    }

    [Fact]
    public async Task A_folder_without_a_journal_is_exit_code_1()
    {
        foreach (var command in new[] { "status", "history", "replay" })
        {
            var (code, _, error) = await RunAsync(command, "--state", "/nowhere");

            Assert.Equal(1, code);
            Assert.Equal("plimsoll: /nowhere holds no journal; plimsoll up starts a fleet, --state names another folder\n", error);
        }
    }

    [Fact]
    public async Task A_model_that_is_none_is_named()
    {
        var (code, _, error) = await RunAsync("inspect", "/nowhere/a.onnx");

        Assert.Equal(1, code);
        Assert.Equal("plimsoll: /nowhere/a.onnx does not exist.\n", error);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(args, output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }

    [Theory]
    [InlineData("plimsoll [command] [options]")]
    [InlineData("plimsoll up [<FLEET>] [options]", "up")]
    [InlineData("plimsoll models create <NAME> [options]", "models", "create")]
    public async Task Help_names_the_program_as_it_is_typed(string usage, params string[] command)
    {
        var (output, error) = (new StringWriter(), new StringWriter());

        var code = await CommandLine.RunAsync([.. command, "--help"], output, error, TimeProvider.System);

        Assert.Equal((0, ""), (code, error.ToString()));
        Assert.Contains($"  {usage}", output.ToString().Split('\n').Select(line => line.TrimEnd('\r')));
    }
}
