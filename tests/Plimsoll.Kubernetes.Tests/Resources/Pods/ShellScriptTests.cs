using CsCheck;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Resources.Pods;

public sealed class ShellScriptTests
{
    private static string Read(string script, params (string, string?)[] environment) => string.Join(" ; ",
        ShellScript.Commands(script, environment.ToDictionary(pair => pair.Item1, pair => pair.Item2)).Select(words => string.Join('|', words)));

    [Theory]
    [InlineData("vllm serve org/name --port 8000", "vllm|serve|org/name|--port|8000")]
    [InlineData("set -e; cd /app && exec vllm serve \\\n  org/name \\\n  --port=80 2>&1 | tee /tmp/log", "set|-e ; cd|/app ; vllm|serve|org/name|--port=80 ; tee|/tmp/log")]
    [InlineData("# a comment\nvllm serve 'a b' \"c d\" e\\ f # and one more\n", "vllm|serve|a b|c d|e f")]
    [InlineData("export A=org/name B=2\nvllm serve $A --tensor-parallel-size ${B}", "export|A=org/name|B=2 ; vllm|serve|org/name|--tensor-parallel-size|2")]
    [InlineData("M=org/name vllm serve \"$M\"", "vllm|serve|org/name")]
    [InlineData("vllm serve ${MODEL:-org/other} $(cat /flags) $UNKNOWN", "vllm|serve|org/other|$(cat /flags)|$UNKNOWN")]
    [InlineData("if [ \"$X\" = 1 ]; then vllm serve a/b; fi", "[|$X|=|1|] ; vllm|serve|a/b")]
    [InlineData("vllm serve $SEVERAL", "vllm|serve|a/b|--port|1")]
    [InlineData("echo '{\"a\": \"$A\"}'", "echo|{\"a\": \"$A\"}")]
    [InlineData("vllm serve a/b > /dev/null &> x", "vllm|serve|a/b")]
    [InlineData("\"unclosed", "unclosed")]
    [InlineData("", "")]
    public void A_script_is_taken_apart_as_a_shell_would(string script, string commands) =>
        Assert.Equal(commands, Read(script, ("SEVERAL", "a/b  --port 1"), ("SECRET", null)));

    [Fact]
    public void A_value_that_is_a_secret_stays_a_variable() => Assert.Equal("vllm|$SECRET", Read("vllm $SECRET", ("SECRET", null)));

    [Fact]
    public void Any_script_ends_and_stays_small()
    {
        var part = Gen.OneOf(Gen.Const("$A"), Gen.Const("${A:-"), Gen.Const("$("), Gen.Const("'"), Gen.Const("\""), Gen.Const("\\"), Gen.Const("\n"), Gen.Const("&>"), Gen.Const(" "), Gen.Const("A=$A$A"), Gen.Const("}"), Gen.String);
        part.Array[0, 60].Sample(parts =>
        {
            var commands = ShellScript.Commands(string.Concat(parts), new Dictionary<string, string?> { ["A"] = new string('x', 5000) });
            Assert.True(commands.Sum(words => words.Sum(word => (long)word.Length)) < 200_000);
        }, iter: 2000);
    }

    [Fact]
    public void A_variable_that_doubles_itself_is_bounded()
    {
        var doubling = "A=xxxxxxxxxx;" + string.Concat(Enumerable.Repeat("A=$A$A;", 200)) + "vllm $A";
        Assert.True(Read(doubling).Length < 200_000);
    }
}
