using System.Text.Json;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Capacity;

/// <summary>Lengths of real requests.</summary>
internal static class Traces
{
    /// <summary>Longer prompts and answers than this are left out: few models take them.</summary>
    private const int PromptMax = 30_000;

    public static IReadOnlyList<(string Name, (int Prompt, int Answer)[] Requests)> All(string folder) =>
    [
        ("Azure conversation", Azure(Path.Combine(folder, "azure_llm_2023_conv.csv"))),
        ("Azure code", Azure(Path.Combine(folder, "azure_llm_2023_code.csv"))),
        ("Mooncake", Mooncake(Path.Combine(folder, "mooncake_conversation.jsonl"))),
    ];

    private static (int Prompt, int Answer)[] Azure(string file) =>
        Kept(CsvTable.Read(file).Rows.Select(row => (row.Int("ContextTokens"), row.Int("GeneratedTokens"))));

    private static (int Prompt, int Answer)[] Mooncake(string file) => Kept(File.ReadLines(file).Where(line => line.Length > 0).Select(line =>
    {
        using var json = JsonDocument.Parse(line);
        return (json.RootElement.GetProperty("input_length").GetInt32(), json.RootElement.GetProperty("output_length").GetInt32());
    }));

    private static (int, int)[] Kept(IEnumerable<(int Prompt, int Answer)> requests) =>
        [.. requests.Where(one => one.Prompt is >= 1 and <= PromptMax && one.Answer >= 1)];
}
