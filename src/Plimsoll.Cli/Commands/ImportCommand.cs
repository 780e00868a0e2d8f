using System.CommandLine;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Kubernetes.Resources.Import;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll import</c>: other autoscalers' manifests as ScaledModels.</summary>
public static class ImportCommand
{
    private const int CharactersMost = 16 << 20;

    public static Command Create(TimeProvider time)
    {
        var files = new Argument<string[]>("FILE")
        {
            Description = "Manifests of HorizontalPodAutoscalers, ScaledObjects, Knative, KServe or llm-d; - reads the standard input",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("import", "Print other autoscalers' manifests as ScaledModels in mode recommend; what has no equivalent is said") { files, PrometheusImport.Create(time) };
        command.SetAction(parsed =>
        {
            var imported = Import([.. parsed.GetValue(files)!.Select(file => ((string?)(file == "-" ? "the standard input" : Show.Text(file, 200)), BoundedText.Read(file, CharactersMost)))]);
            parsed.InvocationConfiguration.Output.Write(imported.Yaml);
            foreach (var note in imported.Notes) parsed.InvocationConfiguration.Error.WriteLine($"plimsoll: {Show.Text(note.ToString(), 600)}");
            if (!imported.Models.IsEmpty) return ExitCode.Ok;
            throw new CommandException(ExitCode.BadInput, "nothing in it scales anything; manifests of HorizontalPodAutoscalers, ScaledObjects or InferenceServices would do");
        });
        return command;
    }

    private static ImportedManifests Import((string? Name, string Yaml)[] files)
    {
        try
        {
            return ManifestImport.Of(files);
        }
        catch (YamlUnreadableException unreadable)
        {
            throw new CommandException(ExitCode.BadInput, unreadable.Message);
        }
    }
}
