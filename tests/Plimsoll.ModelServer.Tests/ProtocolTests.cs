using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Plimsoll.ModelServer.Tests;

/// <summary>One server with a small model for all tests of the protocol.</summary>
public sealed class SharedServer : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-server-").FullName;

    internal ServerProcess Server { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        Server = await ServerProcess.StartReadyAsync(model.Path, "--max-body", "64KiB", "--token", "mark-7");
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

public sealed class ProtocolTests(SharedServer shared) : IClassFixture<SharedServer>
{
    private static readonly CancellationToken Cancel = TestContext.Current.CancellationToken;

    private ServerProcess Server => shared.Server;

    [Fact]
    public async Task The_server_tells_its_name_its_health_and_its_mark()
    {
        var server = await Server.Client.GetFromJsonAsync<JsonElement>("/v2", Cancel);
        var live = await Server.Client.GetFromJsonAsync<JsonElement>("/v2/health/live", Cancel);
        var ready = await Server.Client.GetFromJsonAsync<JsonElement>("/v2/health/ready", Cancel);

        Assert.Equal("plimsoll-model-server", server.GetProperty("name").GetString());
        Assert.Equal("mark-7", server.GetProperty("token").GetString());
        Assert.Equal(JsonValueKind.Array, server.GetProperty("extensions").ValueKind);
        Assert.True(live.GetProperty("live").GetBoolean());
        Assert.True(ready.GetProperty("ready").GetBoolean());
    }

    [Theory]
    [InlineData("/v2/models/m")]
    [InlineData("/v2/models/m/versions/1")]
    public async Task The_models_metadata_names_its_tensors(string path)
    {
        var model = await Server.Client.GetStringAsync(path, Cancel);

        Assert.Equal(
            """{"name":"m","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"input_ids","datatype":"INT64","shape":[-1,-1]}],"outputs":[{"name":"embedding","datatype":"FP32","shape":[-1,16]}]}""",
            model);
    }

    [Theory]
    [InlineData("/v2/models/m/ready", 200)]
    [InlineData("/v2/models/m/versions/1/ready", 200)]
    [InlineData("/v2/models/other/ready", 404)]
    [InlineData("/v2/models/m/versions/2/ready", 404)]
    [InlineData("/v2/models/m/versions/2", 404)]
    [InlineData("/nothing", 404)]
    public async Task A_path_answers_with_its_status(string path, int status)
    {
        using var response = await Server.Client.GetAsync(path, Cancel);

        Assert.Equal(status, (int)response.StatusCode);
        var body = await response.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal(status != 200, body.TryGetProperty("error", out _));
    }

    [Fact]
    public async Task An_answer_repeats_the_id_and_gives_one_vector_a_row()
    {
        using var response = await Server.InferAsync(ServerProcess.Body([[1, 2, 3], [4, 5, 6]], "request-9"));
        var body = await response.Content.ReadFromJsonAsync<JsonElement>(Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(("request-9", "m", "1"), (body.GetProperty("id").GetString(),
            body.GetProperty("model_name").GetString(), body.GetProperty("model_version").GetString()));
        var output = Assert.Single(body.GetProperty("outputs").EnumerateArray());
        Assert.Equal([2, 16], output.GetProperty("shape").EnumerateArray().Select(axis => axis.GetInt32()));
        Assert.Equal(32, output.GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task Flat_and_nested_data_in_any_property_order_mean_the_same()
    {
        var nested = await PostAsync("""{"inputs":[{"name":"input_ids","shape":[2,2],"datatype":"INT64","data":[[1,2],[3,4]]}]}""");
        var flat = await PostAsync("""{"inputs":[{"data":[1,2,3,4],"datatype":"INT64","parameters":{"a":[1]},"shape":[2,2],"name":"input_ids"}],"outputs":[{"name":"embedding"}]}""");

        Assert.Equal(HttpStatusCode.OK, nested.Status);
        Assert.Equal(nested, flat);
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "is not a JSON object")]
    [InlineData("{", "not valid JSON")]
    [InlineData("{}", "no 'inputs'")]
    [InlineData("""{"inputs":7}""", "'inputs' is not an array")]
    [InlineData("""{"inputs":[]}""", "'input_ids' is missing")]
    [InlineData("""{"inputs":[{"name":"ids","shape":[1,1],"datatype":"INT64","data":[1]}]}""", "has no input 'ids'")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"FP32","data":[1]}]}""", "the model takes INT64")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1],"datatype":"INT64","data":[1]}]}""", "takes [-1,-1]")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,-1],"datatype":"INT64","data":[1]}]}""", "no length")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[4294967296,4294967296],"datatype":"INT64","data":[1]}]}""", "more than its data can hold")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,2],"datatype":"INT64","data":[1]}]}""", "1 values, and its shape needs 2")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[1,2]}]}""", "more than the 1 values")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[1.5]}]}""", "value 0 of 'input_ids' is not a INT64")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":["a"]}]}""", "is not a INT64")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[{}]}]}""", "is not a INT64")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64"}]}""", "has no 'data'")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[1]}],"outputs":[{"name":"logits"}]}""", "has no output 'logits'")]
    [InlineData("""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[1]}]} {}""", "")]
    public async Task A_malformed_request_gets_400_and_a_sentence(string body, string sentence)
    {
        var (status, text) = await PostAsync(body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(sentence, JsonDocument.Parse(text).RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_is_no_text_gets_400_and_not_an_empty_500()
    {
        foreach (byte[] body in (byte[][])[[.. "{\""u8, 0xff, 0xfe, .. "\":1}"u8], [.. """{"\ud800":1}"""u8], [.. """{"inputs":[{"\ud800":1}]}"""u8]])
        {
            using var content = new ByteArrayContent(body);
            using var response = await Server.Client.PostAsync("/v2/models/m/infer", content, Cancel);

            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            Assert.Contains("not valid UTF-8", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task More_rows_than_a_batch_get_400_because_each_takes_memory_that_nobody_planned()
    {
        using var most = await Server.InferAsync(ServerProcess.Body([.. Enumerable.Repeat(new long[] { 1, 2 }, 8)]));
        using var more = await Server.InferAsync(ServerProcess.Body([.. Enumerable.Repeat(new long[] { 1, 2 }, 9)]));

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.BadRequest), (most.StatusCode, more.StatusCode));
        Assert.Contains("9 rows, and at most 8", await more.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_binary_extension_is_refused_by_its_name(bool header)
    {
        using var content = new ByteArrayContent(
            [.. """{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","parameters":{"binary_data_size":8}}]}"""u8, .. new byte[header ? 8 : 0]]);
        if (header) content.Headers.Add("Inference-Header-Content-Length", "104");
        using var response = await Server.Client.PostAsync("/v2/models/m/infer", content, Cancel);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("binary tensor data extension", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("9999999")]
    [InlineData("-9999999")]
    public async Task A_token_outside_the_vocabulary_gets_400_and_the_server_lives_on(string token)
    {
        var (status, text) = await PostAsync(
            $$"""{"inputs":[{"name":"input_ids","shape":[1,1],"datatype":"INT64","data":[{{token}}]}]}""");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("the model refused the inputs", text, StringComparison.Ordinal);
        Assert.DoesNotContain(".cc:", text, StringComparison.Ordinal);
        Assert.Equal(16, (await Server.EmbeddingAsync([1, 2])).Length);
    }

    [Fact]
    public async Task A_sequence_longer_than_the_model_takes_gets_400()
    {
        using var response = await Server.InferAsync(ServerProcess.Body([[.. Enumerable.Repeat(1L, 513)]]));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_body_beyond_the_bound_gets_413_with_and_without_a_declared_length()
    {
        var large = new string(' ', 65 * 1024);
        var (status, text) = await PostAsync(large);
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer")
        {
            Content = new StringContent(large),
        };
        chunked.Headers.TransferEncodingChunked = true;
        using var response = await Server.Client.SendAsync(chunked, Cancel);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
        Assert.Contains("65536", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    [Fact]
    public async Task An_unknown_model_gets_404()
    {
        using var response = await Server.InferAsync(ServerProcess.Body([[1]]), "other");

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("no model 'other'", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_are_Prometheus_text_and_count_what_happened()
    {
        var before = PrometheusText.Parse(await Server.Client.GetStringAsync("/metrics", Cancel));
        await Server.EmbeddingAsync([1, 2], [3, 4], [5, 6]);
        await PostAsync("{}");
        var after = PrometheusText.Parse(await Server.Client.GetStringAsync("/metrics", Cancel));

        Assert.Equal(1, Grown("nv_inference_request_success"));
        Assert.Equal(1, Grown("nv_inference_request_failure"));
        Assert.Equal(3, Grown("nv_inference_count"));
        Assert.Equal(1, Grown("nv_inference_exec_count"));
        Assert.True(Grown("nv_inference_compute_infer_duration_us") > 0);
        Assert.True(Grown("nv_inference_request_duration_us") >= Grown("nv_inference_compute_infer_duration_us"));
        Assert.Equal("{model=\"m\",version=\"1\"}", after.First(sample => sample.Name == "nv_inference_count").Labels);
        Assert.Equal(0, after.Single(sample => sample.Name == "nv_inference_pending_request_count").Value);
        Assert.Equal(3, after.Count(sample => sample.Name == "plimsoll_model_load_duration_seconds"));
        Assert.True(after.Single(sample => sample.Name == "process_resident_memory_bytes").Value > 10_000_000);

        double Grown(string name) => Sum(after, name) - Sum(before, name);
    }

    private static double Sum(List<PrometheusSample> samples, string name) =>
        samples.Where(sample => sample.Name == name).Sum(sample => sample.Value);

    private async Task<(HttpStatusCode Status, string Text)> PostAsync(string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await Server.Client.PostAsync("/v2/models/m/infer", content, Cancel);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancel));
    }
}
