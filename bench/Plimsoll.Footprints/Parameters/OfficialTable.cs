using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Footprints.Parameters;

/// <summary>Models with an official count: counted from config.json where there is one, else from the row's columns.</summary>
internal static class OfficialTable
{
    private static readonly (string Column, string Field)[] Fields =
    [
        ("layers", "num_hidden_layers"), ("hidden", "hidden_size"), ("heads", "num_attention_heads"), ("kv_heads", "num_key_value_heads"),
        ("head_dim", "head_dim"), ("intermediate", "intermediate_size"), ("vocab", "vocab_size"), ("experts", "num_local_experts"),
        ("experts_per_tok", "num_experts_per_tok"), ("moe_intermediate", "moe_intermediate_size"), ("max_position", "max_position_embeddings"),
    ];

    public static string Of(string table, string folder)
    {
        var rows = CsvTable.Read(table).Rows.Where(row => row.Text("params_official").Length > 0).ToList();
        var lines = new StringBuilder();
        var equal = 0;
        lines.AppendLine("| model | official | counted | from | difference |").AppendLine("| --- | ---: | ---: | --- | ---: |");
        foreach (var row in rows)
        {
            var official = long.Parse(row.Text("params_official"), CultureInfo.InvariantCulture);
            var file = Path.Combine(folder, row.Text("model").Replace("/", "--", StringComparison.Ordinal) + "_config.json");
            var fromFile = File.Exists(file);
            var counted = PublishedConfig.Weigh(row.Text("model"), fromFile ? File.ReadAllText(file) : FromColumns(row)).Parameters;
            equal += counted == official ? 1 : 0;
            lines.AppendLine(CultureInfo.InvariantCulture, $"| {row.Text("model")} | {official:N0} | {counted:N0} | {(fromFile ? "config.json" : "the row's columns")} | {counted - official:N0} |");
        }

        return $"""
            ### Official counts, n = {rows.Count}: {equal} equal to the last parameter

            {lines}
            """;
    }

    private static string FromColumns(CsvRow row)
    {
        var config = new JsonObject { ["architectures"] = new JsonArray(row.Text("architecture")) };
        foreach (var (column, field) in Fields)
        {
            if (row.Number(column) is { } value)
                config[field] = (long)value;
        }

        if (row.Text("tie_embeddings").Length > 0)
            config["tie_word_embeddings"] = row.Text("tie_embeddings") == "True";
        if (row.Text("dtype").Length > 0)
            config["torch_dtype"] = row.Text("dtype");
        return config.ToJsonString();
    }
}
