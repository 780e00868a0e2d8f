using System.Text.Json;

namespace Plimsoll.ModelServer.Tests;

public sealed class BatchingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-server-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Requests_that_share_a_run_get_what_each_would_get_alone()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        await using var alone = await ServerProcess.StartReadyAsync(model.Path, "--max-batch", "1");
        // A generous delay, so that the eight really meet.
        await using var together = await ServerProcess.StartReadyAsync(model.Path, "--max-batch", "8", "--batch-delay", "20s");
        long[][] sequences = [.. Enumerable.Range(0, 8).Select(i => Enumerable.Range(0, 12).Select(t => 37L * i + t).ToArray())];

        var expected = new List<float[]>();
        foreach (var ids in sequences)
            expected.Add(await alone.EmbeddingAsync(ids));
        var actual = await Task.WhenAll(sequences.Select(ids => together.EmbeddingAsync(ids)));

        Assert.Equal(8, await alone.MetricAsync("nv_inference_exec_count"));
        Assert.Equal((1, 8), (await together.MetricAsync("nv_inference_exec_count"), await together.MetricAsync("nv_inference_count")));
        for (var i = 0; i < sequences.Length; i++)
        {
            foreach (var (one, other) in expected[i].Zip(actual[i]))
                Assert.Equal(one, other, 1e-4f);
        }

        Assert.NotEqual(actual[0], actual[1]);
    }

    [Fact]
    public async Task One_bad_request_in_a_batch_does_not_fail_its_neighbour()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        await using var server = await ServerProcess.StartReadyAsync(model.Path, "--max-batch", "2", "--batch-delay", "20s");

        var good = server.EmbeddingAsync([1, 2]);
        using var bad = await server.InferAsync(ServerProcess.Body([[1, 99_999_999]]));

        Assert.Equal(400, (int)bad.StatusCode);
        Assert.Equal(16, (await good).Length);
    }

    [Theory]
    [InlineData("a", "b", 2)] // Stacked they would come out in each other's answers.
    [InlineData("n", "n", 3)] // Stacked they would come out with no row for each.
    public async Task A_model_whose_first_axis_is_no_batch_answers_each_request_alone(string rows, string columns, int width)
    {
        var path = Path.Combine(_folder, "transpose.onnx");
        await File.WriteAllBytesAsync(path, TransposeModel.Bytes(rows, columns), TestContext.Current.CancellationToken);
        await using var server = await ServerProcess.StartReadyAsync(path, "--name", "m", "--max-batch", "2", "--batch-delay", "20s");

        var answers = await Task.WhenAll(Enumerable.Range(0, 2).Select(i => InferAsync(server, 10 * i, width)));

        for (var i = 0; i < 2; i++) Assert.Equal(Enumerable.Range(10 * i, width).Select(v => (float)v), answers[i]);
    }

    [Fact]
    public async Task An_answer_that_is_too_large_is_refused_and_the_next_one_is_given()
    {
        var path = Path.Combine(_folder, "zeros.onnx");
        await File.WriteAllBytesAsync(path, TransposeModel.Zeros(), TestContext.Current.CancellationToken);
        await using var server = await ServerProcess.StartReadyAsync(path, "--name", "m");
        Task<HttpResponseMessage> AskAsync(long zeros) => server.Client.PostAsync("/v2/models/m/infer", new StringContent(
            $$"""{"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[{{zeros}}]}]}"""), TestContext.Current.CancellationToken);

        using var large = await AskAsync(150_000_000);
        using var impossible = await AskAsync(1L << 60);
        using var small = await AskAsync(3);

        Assert.Equal(413, (int)large.StatusCode);
        Assert.Contains("output 'y' takes 600000000 bytes", await large.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.InRange((int)impossible.StatusCode, 400, 500);
        Assert.Contains("\"data\":[0,0,0]", await small.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private static async Task<float[]> InferAsync(ServerProcess server, int first, int width)
    {
        var data = string.Join(',', Enumerable.Range(first, width));
        using var response = await server.Client.PostAsync("/v2/models/m/infer", new StringContent(
            $$"""{"inputs":[{"name":"x","shape":[1,{{width}}],"datatype":"FP32","data":[{{data}}]}]}"""), TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, text);
        using var json = JsonDocument.Parse(text);
        return [.. json.RootElement.GetProperty("outputs")[0].GetProperty("data").EnumerateArray().Select(value => value.GetSingle())];
    }

    [Fact]
    public async Task Many_requests_of_many_lengths_are_all_answered()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        await using var server = await ServerProcess.StartReadyAsync(model.Path, "--cores", "2");
        long[] Ids(int i) => [.. Enumerable.Range(0, 1 + i % 5).Select(t => (long)(i + t))];

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => server.EmbeddingAsync(Ids(i))));

        Assert.All(answers, answer => Assert.Equal(16, answer.Length));
        Assert.Equal(200, await server.MetricAsync("nv_inference_request_success"));
        Assert.Equal(0, await server.MetricAsync("nv_inference_pending_request_count"));
    }

    [Fact]
    public async Task A_full_queue_refuses_with_503_and_a_cancelled_request_leaves_it()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        await using var server = await ServerProcess.StartReadyAsync(
            model.Path, "--max-batch", "8", "--batch-delay", "1h", "--max-queue", "1");
        using var patience = new CancellationTokenSource();
        var waiting = server.Client.PostAsync("/v2/models/m/infer", new StringContent(
            """{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[1]}]}"""), patience.Token);
        await UntilPendingAsync(server, 1);

        using var refused = await server.InferAsync(ServerProcess.Body([[2]]));
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await UntilPendingAsync(server, 0);

        Assert.Equal(503, (int)refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Equal(0, await server.MetricAsync("nv_inference_exec_count"));
    }

    internal static async Task UntilPendingAsync(ServerProcess server, int count)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(ServerProcess.Patience);
        while (await server.MetricAsync("nv_inference_pending_request_count") != count)
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, patience.Token);
    }
}
