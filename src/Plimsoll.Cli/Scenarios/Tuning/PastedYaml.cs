using System.Collections.Immutable;
using System.Text;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Cli.Scenarios.Tuning;

/// <summary>Fields as they stand in a scenario or fleet file.</summary>
internal static class PastedYaml
{
    /// <param name="fields">Each once.</param>
    public static string Of(ImmutableArray<WrittenField> fields)
    {
        var yaml = new StringBuilder();
        var models = fields.Where(field => field.Model is not null).GroupBy(field => field.Model!).ToList();
        if (models.Count > 0) yaml.Append("models:\n");
        foreach (var model in models)
        {
            yaml.Append($"- name: {model.Key}\n");
            foreach (var field in model) yaml.Append($"  {Line(field)}\n");
        }

        var planner = fields.Where(field => field.Model is null).ToList();
        if (planner.Count > 0) yaml.Append("planner:\n");
        foreach (var field in planner) yaml.Append($"  {Line(field)}\n");
        return yaml.ToString();
    }

    private static string Line(WrittenField field) => field.Text is not { } text ? $"# without {field.Field}"
        : field.Field.Split('.') is [var group, var inner] ? $"{group}: {{{inner}: {text}}}  # beside what is there"
        : $"{field.Field}: {text}";
}
