using System.Text.Json;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.Cli.Tests.Load;

public sealed class ModelInputsTests
{
    [Fact]
    public void A_body_carries_token_ids_of_the_asked_length()
    {
        using var body = JsonDocument.Parse(ModelInputs.TokenIds.Body(5, 1));

        var input = Assert.Single(body.RootElement.GetProperty("inputs").EnumerateArray());
        Assert.Equal("input_ids", input.GetProperty("name").GetString());
        Assert.Equal("INT64", input.GetProperty("datatype").GetString());
        Assert.Equal([1L, 5L], input.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()));
        var ids = input.GetProperty("data").EnumerateArray().Select(id => id.GetInt64()).ToList();
        Assert.Equal(5, ids.Count);
        Assert.All(ids, id => Assert.InRange(id, 0, 999));
    }

    [Fact]
    public void A_body_follows_from_its_seed()
    {
        Assert.Equal(ModelInputs.TokenIds.Body(64, 3), ModelInputs.TokenIds.Body(64, 3));
        Assert.NotEqual(ModelInputs.TokenIds.Body(64, 3), ModelInputs.TokenIds.Body(64, 4));
    }

    [Fact]
    public void Metadata_of_another_model_gives_inputs_of_its_names_types_and_shapes()
    {
        var inputs = Read("""
            {"name":"m","inputs":[
              {"name":"ids","datatype":"INT32","shape":[-1,-1]},
              {"name":"attention_mask","datatype":"INT64","shape":[-1,-1]},
              {"name":"pixels","datatype":"FP32","shape":[-1,3,2]}]}
            """).Inputs!;

        using var body = JsonDocument.Parse(inputs.Body(4, 1));
        var made = body.RootElement.GetProperty("inputs").EnumerateArray().ToList();

        Assert.Equal([1, 4], Shape(0));
        Assert.Equal([1, 4], Shape(1));
        Assert.Equal([1, 3, 2], Shape(2));
        Assert.Equal([1, 1, 1, 1], made[1].GetProperty("data").EnumerateArray().Select(d => d.GetInt32()));
        Assert.Equal(6, made[2].GetProperty("data").GetArrayLength());

        IEnumerable<int> Shape(int n) => made[n].GetProperty("shape").EnumerateArray().Select(d => d.GetInt32());
    }

    [Theory]
    [InlineData("""{"name":"m"}""", "names no inputs")]
    [InlineData("""[]""", "names no inputs")]
    [InlineData("""{"inputs":[]}""", "names no inputs")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"INT64"}]}""", "without name, datatype or shape")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"INT64","shape":["x"]}]}""", "without name, datatype or shape")]
    [InlineData("""{"inputs":[{"name":"text","datatype":"BYTES","shape":[1]}]}""", "'text' is BYTES")]
    public void Metadata_that_says_too_little_is_refused_with_the_reason(string json, string expected)
    {
        var (inputs, why) = Read(json);

        Assert.Null(inputs);
        Assert.Contains(expected, why, StringComparison.Ordinal);
    }

    [Fact]
    public void An_input_of_billions_of_elements_is_refused()
    {
        var inputs = Read("""{"inputs":[{"name":"a","datatype":"FP32","shape":[-1,9000000000000000000,9000000000000000000]}]}""").Inputs!;

        Assert.Contains("more than 4000000 elements", inputs.Problem(8), StringComparison.Ordinal);
        Assert.Null(ModelInputs.TokenIds.Problem(8));
    }

    private static (ModelInputs? Inputs, string? Why) Read(string json) =>
        ModelInputs.FromMetadata(JsonDocument.Parse(json).RootElement);
}
