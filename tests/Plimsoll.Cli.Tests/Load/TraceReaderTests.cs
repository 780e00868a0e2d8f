using Plimsoll.Cli.Load.Traces;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Tests.Load;

public sealed class TraceReaderTests
{
    private const string Azure = "TIMESTAMP,ContextTokens,GeneratedTokens";

    [Fact]
    public void The_published_format_is_read_to_a_hundred_nanoseconds()
    {
        using var file = new TemporaryFile(
            $"{Azure}\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319601,3180,8\r\n");

        var requests = TraceReader.Read(file.Path).ToList();

        Assert.Equal([new TraceRequest(TimeSpan.Zero, null, 4808), new TraceRequest(TimeSpan.FromTicks(520_001), null, 3180)], requests);
    }

    [Fact]
    public void A_byte_order_mark_and_a_last_line_without_a_break_change_nothing()
    {
        using var file = new TemporaryFile($"\uFEFF{Azure}\n2023-11-16 18:17:03,7,1\n2023-11-16 18:17:04.5,9,1");

        Assert.Equal([7, 9], TraceReader.Read(file.Path).Select(request => request.Tokens));
    }

    [Fact]
    public void A_timestamp_with_a_zone_is_read_as_that_moment()
    {
        using var file = new TemporaryFile(
            $"{Azure}\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 02:00:01.009930+02:00,2399,6\n");

        Assert.Equal(TimeSpan.FromSeconds(1), TraceReader.Read(file.Path).Last().At);
    }

    [Fact]
    public void A_plain_trace_names_its_models()
    {
        using var file = new TemporaryFile("seconds,model,size\n10,small,16\n10.25,large,300\n");

        Assert.Equal(
            [new TraceRequest(TimeSpan.Zero, "small", 16), new TraceRequest(TimeSpan.FromMilliseconds(250), "large", 300)],
            TraceReader.Read(file.Path));
    }

    [Theory]
    [InlineData("", ": is empty")]
    [InlineData(Azure + "\n", ": has a header and no request")]
    [InlineData("a,b\n", ":1: the header is 'a,b'; known are")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,5\n", ":2: has 2 fields, expected 3: '2023-11-16 18:17:03,5'")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,5,6,7\n", ":2: has more than 3 fields")]
    [InlineData(Azure + "\n16.11.2023,5,6\n", ":2: TIMESTAMP is '16.11.2023'; expected like")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,-5,6\n", ":2: ContextTokens is '-5'; expected a whole number from 0 to 100000000")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,5,six\n", ":2: GeneratedTokens is 'six'")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,100000001,6\n", ":2: ContextTokens is '100000001'")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,5,6\n2023-11-16 18:17:02,5,6\n", ":3: is earlier than the line before it")]
    [InlineData(Azure + "\n2023-11-16 18:17:03,5,6\n2025-11-16 18:17:02,5,6\n", ":3: lies more than 366 days after")]
    [InlineData("seconds,model,size\nNaN,a,1\n", ":2: seconds is 'NaN'; expected a number of seconds")]
    [InlineData("seconds,model,size\n1,,1\n", ":2: model is ''; expected a name")]
    public void A_line_that_is_no_request_is_named_with_file_and_line(string content, string expected)
    {
        using var file = new TemporaryFile(content);

        var problem = Assert.Throws<TraceException>(() => TraceReader.Read(file.Path).Count());

        Assert.Contains(file.Path + expected, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_without_end_is_refused_before_it_fills_the_memory()
    {
        using var file = new TemporaryFile(Azure + "\n" + new string('9', 5000));

        var problem = Assert.Throws<TraceException>(() => TraceReader.Read(file.Path).Count());

        Assert.Contains(":2: the line is longer than 4096 characters", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_and_a_folder_are_told_apart()
    {
        using var file = new TemporaryFile("");

        Assert.Contains("there is no such file",
            Assert.Throws<TraceException>(() => TraceReader.Read(file.Path + "x").Count()).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder",
            Assert.Throws<TraceException>(() => TraceReader.Read(Path.GetDirectoryName(file.Path)!).Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_requests_are_there_before_a_later_line_is_looked_at()
    {
        using var file = new TemporaryFile($"{Azure}\n2023-11-16 18:17:03,5,6\nbroken\n");

        Assert.Equal(5, TraceReader.Read(file.Path).First().Tokens);
    }
}
