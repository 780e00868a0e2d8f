using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Plimsoll.Cli.Commands;

/// <summary>
/// The library's help under the name that a person typed: it knows the program by its assembly's file only, and that
/// cannot be called "plimsoll" beside the brain's.
/// </summary>
internal sealed class NamedHelp(HelpAction help) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    /// <summary>Puts it in the place of the root's own help.</summary>
    public static void PutInto(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            if (option.Action is HelpAction help) option.Action = new NamedHelp(help);
        }
    }

    public override int Invoke(ParseResult parseResult)
    {
        var (configuration, output) = (parseResult.InvocationConfiguration, parseResult.InvocationConfiguration.Output);
        using var text = new StringWriter();
        configuration.Output = text;
        var code = help.Invoke(parseResult);
        configuration.Output = output;
        output.Write(text.ToString().Replace(RootCommand.ExecutableName, "plimsoll", StringComparison.Ordinal));
        return code;
    }
}
