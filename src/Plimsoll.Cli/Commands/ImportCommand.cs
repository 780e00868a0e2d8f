using System.CommandLine;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Kubernetes.Resources.Import;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll import</c>: other autoscalers' manifests as ScaledModels.</summary>
public static class ImportCommand
{
    private const int BytesMax = 16 << 20;

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
            var text = string.Join("\n---\n", parsed.GetValue(files)!.Select(Read));
            var imported = Import(text);
            parsed.InvocationConfiguration.Output.Write(imported.Yaml);
            foreach (var note in imported.Notes) parsed.InvocationConfiguration.Error.WriteLine($"plimsoll: {Show.Text(note.ToString(), 600)}");
            if (!imported.Models.IsEmpty) return ExitCode.Ok;
            throw new CommandException(ExitCode.BadInput, "nothing in it scales anything; manifests of HorizontalPodAutoscalers, ScaledObjects or InferenceServices would do");
        });
        return command;
    }

    private static ImportedManifests Import(string text)
    {
        try
        {
            return ManifestImport.Of(text);
        }
        catch (YamlUnreadableException unreadable)
        {
            throw new CommandException(ExitCode.BadInput, unreadable.Message);
        }
    }

    private static string Read(string path)
    {
        try
        {
            using var stream = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            using var reader = new StreamReader(stream);
            var buffer = new char[BytesMax + 1];
            var read = reader.ReadBlock(buffer, 0, buffer.Length);
            if (read > BytesMax) throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} is over {new Bytes(BytesMax)}; fewer manifests at once would do");
            return new string(buffer, 0, read);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} cannot be read: {Show.Text(unreadable.Message, 200)}");
        }
    }
}
