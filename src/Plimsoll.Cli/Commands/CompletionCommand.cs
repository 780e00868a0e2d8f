using System.CommandLine;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll completion SHELL</c>: scripts that ask this program what could follow.</summary>
public static class CompletionCommand
{
    private const string Bash = """
        # plimsoll completion for bash: source <(plimsoll completion bash)
        _plimsoll() {
          local word="${COMP_WORDS[COMP_CWORD]}" line="${COMP_LINE#* }"
          local at=$((COMP_POINT - ${#COMP_LINE} + ${#line}))
          local IFS=$'\n'
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$at]" "$line" 2>/dev/null)" -- "$word"))
        }
        complete -o default -F _plimsoll plimsoll ./plimsoll
        """;

    private const string Zsh = """
        #compdef plimsoll
        # plimsoll completion for zsh: source <(plimsoll completion zsh)
        _plimsoll() {
          local line="${BUFFER#* }"
          local at=$((CURSOR - ${#BUFFER} + ${#line}))
          local -a found
          found=("${(@f)$("${words[1]}" "[suggest:$at]" "$line" 2>/dev/null)}")
          (( ${#found} )) && compadd -- $found || _files
        }
        compdef _plimsoll plimsoll ./plimsoll
        """;

    private const string Fish = """
        # plimsoll completion for fish: plimsoll completion fish | source
        function __plimsoll
          set -l line (string replace -r '^\S+ ?' '' -- (commandline -cp))
          plimsoll "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c plimsoll -a '(__plimsoll)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a shell's completion script") { shell };
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.Write(parsed.GetValue(shell) switch { "zsh" => Zsh, "fish" => Fish, _ => Bash } + "\n");
            return ExitCode.Ok;
        });
        return command;
    }
}
