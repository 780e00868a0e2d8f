using System.CommandLine;
using System.CommandLine.Parsing;

namespace Plimsoll.Cli.Commands;

/// <summary>Refuses an argument or an option's value that is empty, as a variable of a shell that is not set leaves it.</summary>
internal static class EmptyValues
{
    /// <summary>Has every text of a command, and of those below it, refused where it is empty.</summary>
    public static void RefuseIn(Command command)
    {
        foreach (var argument in command.Arguments.Where(argument => IsText(argument.ValueType)))
            argument.Validators.Add(result => Check(result, result.Tokens, argument.Name, argument.Name, argument.Arity.MinimumNumberOfValues > 0));
        foreach (var option in command.Options.Where(option => IsText(option.ValueType)))
            option.Validators.Add(result => Check(result, result.Tokens, option.Name, option.HelpName, option.Required));
        foreach (var below in command.Subcommands) RefuseIn(below);
    }

    private static bool IsText(Type type) => type == typeof(string) || type == typeof(string[]);

    private static void Check(SymbolResult result, IReadOnlyList<Token> tokens, string name, string? what, bool isNeeded)
    {
        if (tokens.All(token => token.Value.Length > 0) || result.Errors.Any()) return;
        result.AddError($"{name}: found \"\"; {WouldDo(what)} would do{(isNeeded ? "" : ", or leave it out")}");
    }

    private static string WouldDo(string? what) => what switch
    {
        "FILE" or "CSV" or "TRACE" or "SCENARIO" => "the path of a file",
        "DIR" or "FOLDER" => "the path of a folder",
        "FLEET" or "SOURCE" or "PATH" => "a path",
        "SERVER" => "an address or the path of a file",
        "NAME" or "MODEL" => "a name",
        _ => "a value that is not empty",
    };
}
