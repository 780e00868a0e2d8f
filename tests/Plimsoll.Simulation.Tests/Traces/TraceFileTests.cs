using System.IO.Compression;
using System.Text;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Traces;

public sealed class TraceFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-traces-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:47.1805900,396,0\n")]
    [InlineData("{\"timestamp\": 27000, \"input_length\": 374, \"output_length\": 44, \"hash_ids\": [0, 1]}\n{\"timestamp\": 27500, \"input_length\": 396, \"output_length\": 0}\n")]
    [InlineData("seconds,prompt_tokens,answer_tokens\r\n12.5,374,44\r\n13,396,0\r\n")]
    public void Each_format_gives_the_same_requests(string text)
    {
        var trace = TraceFile.Read(Write(text));
        Assert.Equal([0, 0.5], trace.Arrivals);
        Assert.Equal([374, 396], trace.Prompts);
        Assert.Equal([44, 1], trace.Answers);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("a,b\n1,2\n", ":1: the header is 'a,b'; known are")]
    [InlineData("seconds,prompt_tokens,answer_tokens\n", "has a header and no request")]
    [InlineData("seconds,prompt_tokens,answer_tokens\n1,2\n", ":2: has 2 fields, expected 3: '1,2'")]
    [InlineData("seconds,prompt_tokens,answer_tokens\nsoon,2,3\n", ":2: seconds is 'soon'; expected a number like 12.25")]
    [InlineData("seconds,prompt_tokens,answer_tokens\n5,2,3\n4,2,3\n", ":3: is earlier than the line before it; sort the file by time")]
    [InlineData("seconds,prompt_tokens,answer_tokens\n1,2,-3\n", ":2: answer_tokens is '-3'; expected a whole number from 0 to")]
    [InlineData("{\"timestamp\": 1, \"input_length\": 3}\n", ":1: has no output_length; a whole number from 0 to")]
    [InlineData("{\"timestamp\": 1, \"input_length\"\n", ":1: is no object of JSON")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n16.11.2023,1,1\n", ":2: TIMESTAMP is '16.11.2023'; expected like")]
    public void A_line_that_is_no_request_is_named(string text, string problem) =>
        Assert.Contains(problem, Assert.Throws<TraceException>(() => TraceFile.Read(Write(text))).Message.Replace("\r", "", StringComparison.Ordinal), StringComparison.Ordinal);

    [Fact]
    public void A_packed_file_that_is_cut_off_is_a_sentence()
    {
        var path = Path.Combine(_folder, "t.csv.gz");
        using (var packed = new GZipStream(File.Create(path), CompressionMode.Compress))
            packed.Write(Encoding.UTF8.GetBytes("seconds,prompt_tokens,answer_tokens\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{i},{i * 7919 % 1000},3\n"))));
        Assert.Equal(20_000, TraceFile.Read(path).Count);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, [.. bytes.Take(20), 7, 7, 7, .. bytes.Skip(20).Take(100)]);
        Assert.Contains("cannot be read to its end", Assert.Throws<TraceException>(() => TraceFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rates_of_clients_are_curves_and_silence_between_windows_is_none()
    {
        const string Text = """
            client,window_start_s,rate_req_per_s,iat_cv,arrival_pattern,pattern_arg1,pattern_arg2
            7,0,2,1.5,Gamma,0.7,0.04
            7,1200,4,3,Weibull,0.4,0.009
            3,600,1,0,,0,0
            """;
        var clients = ServeGenRates.Read(Write(Text));
        Assert.Equal([3, 7], clients.Select(client => client.Client));
        var curve = clients[1].Curve;
        Assert.Equal([2, 0, 4, 0], new[] { 10.0, 700, 1300, 1801 }.Select(curve.At));
        // By the requests each window had: (2 × 1.5 + 4 × 3) / 6.
        Assert.Equal(2.5, clients[1].Variation, 9);
        Assert.Equal(0, clients[0].Curve.At(10));
        Assert.Equal(600, clients[0].Curve.Expected, 9);
    }

    [Fact]
    public void The_published_traces_are_read_where_they_are_at_hand()
    {
        if (Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is not { } data || !Directory.Exists(data))
        {
            Assert.NotEqual("true", Environment.GetEnvironmentVariable("CI"));
            Assert.Skip("PLIMSOLL_DATA names no folder of data");
            return;
        }

        var traces = Path.Combine(data, "traces");
        Assert.Equal(19_366, TraceFile.Read(Path.Combine(traces, "azure_llm_2023_conv.csv")).Count);
        Assert.Equal(12_031, TraceFile.Read(Path.Combine(traces, "mooncake_conversation.jsonl")).Count);
        var clients = ServeGenRates.Read(Path.Combine(traces, "servegen", "language__m-small__client_rates.csv.gz"));
        Assert.Equal(43, clients.Count);
        Assert.All(clients, client => Assert.Equal(14 * 86_400, client.Curve.Length, 600.0));
    }

    private string Write(string text)
    {
        var path = Path.Combine(_folder, "t.csv");
        File.WriteAllText(path, text);
        return path;
    }
}
