using System.CommandLine;
using System.Text.RegularExpressions;
using Plimsoll.Artifacts;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>A source as weighed.</summary>
/// <param name="Shown">The source as it may be shown.</param>
/// <param name="Footprint">What it weighs.</param>
/// <param name="Files">How many files serving it needs.</param>
public sealed record WeighedSource(string Shown, Footprint Footprint, int Files);

/// <summary>Weighs what a person names on the command line: a path, or an address of any kind that is known.</summary>
public static partial class SourceWeigher
{
    public static Argument<string> Argument() => new("SOURCE")
    {
        Description = "A file or folder, or an address: https://, s3://, gs://, hf://ORG/NAME@REVISION or pvc://; only headers are read",
    };

    /// <exception cref="CommandException">It cannot be weighed; one sentence says why and what would do.</exception>
    public static WeighedSource Weigh(string source, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        try
        {
            using var found = ArtifactSource.Open(SourceAddress.Parse(source), SourceSettings.OfProcess, time, cancellationToken);
            var weighed = ArtifactWeigher.Weigh(found);
            return new WeighedSource(found.Shown, weighed.Footprint, weighed.Files.Length);
        }
        catch (ArtifactException unreadable)
        {
            var hint = !SourceAddress.IsAddress(source) && !Path.Exists(source) && HubName().IsMatch(source)
                ? $" hf://{source} would name a model of the hub." : "";
            throw new CommandException(ExitCode.Failed, Show.Text(unreadable.Message + hint, 500));
        }
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]
    private static partial Regex HubName();
}
